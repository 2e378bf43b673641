"""A sweep whose driver and folder were lost, resumed from its mirror into another folder."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from orchestrator.ledger.folders import find_sweep
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.records import fold
from tests.orchestrator.cli.test_run import TINY
from trainables.io.object_store import ObjectStore

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.ledger.records import SweepRecords

pytestmark = [pytest.mark.ray, pytest.mark.e2e, pytest.mark.long]
TRIALS = 3
PATIENCE = 300.0


def records(root: Path) -> SweepRecords:
    with Ledger(find_sweep(root).ledger) as ledger:
        return fold(event for _, event in ledger.events())


def segsweep(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "orchestrator.cli.main", *arguments]


def test_a_sweep_resumes_from_its_mirror_alone(
    s3_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in s3_environment.items():
        monkeypatch.setenv(name, value)
    address = "s3://tests/moving"
    settings = (
        f"budget.trials={TRIALS}",
        "budget.epochs=40",
        "search.grace_period=40",
        "resources.lanes=1",
        "artifacts.trials=none",
        f"storage.mirror={address}",
        "storage.mirror_seconds=0.5",
    )
    first, second = tmp_path / "first", tmp_path / "second"
    words = [*TINY, *(word for setting in settings for word in ("--set", setting))]
    with subprocess.Popen(
        segsweep("run", *words),
        env={**os.environ, "SEGSWEEP_STORAGE": str(first), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as driver:
        store, end = ObjectStore(address), time.monotonic() + PATIENCE
        while not any(name.endswith("/last.pt") for name in store.files("sweeps")):
            assert driver.poll() is None
            assert time.monotonic() < end
            time.sleep(0.2)
        time.sleep(2)
        os.killpg(driver.pid, signal.SIGKILL)
    sweep_id = find_sweep(first).sweep_id
    time.sleep(5)  # Ray's processes end with their driver
    shutil.rmtree(first, ignore_errors=True)
    done = subprocess.run(
        segsweep("resume", sweep_id, "--from", address, "--storage", str(second)),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    resumed = records(second)
    assert [trial.state for trial in resumed.trials] == ["complete"] * TRIALS
    assert [len(trial.history) for trial in resumed.trials] == [40] * TRIALS
    checked = subprocess.run(
        segsweep("verify", "--storage", str(second)), capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout
    names = store.files(f"sweeps/{sweep_id}")
    assert not [name for name in names if name.endswith("last.pt")]  # no trial is open
    assert {"spec.yaml", "ledger.db", "report/report.json"} <= names.keys()
