from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from orchestrator.ledger.events import TrialAsked
from orchestrator.ledger.folders import SweepFolder, UnknownSweepError, find_sweep
from orchestrator.ledger.identity import settle_identity
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.mirror import (
    RECORD,
    Mirror,
    MirrorConflictError,
    Record,
    TakenOverError,
    fetch_sweep,
    mirrored,
    mirrored_files,
)
from orchestrator.ledger.records import fold
from orchestrator.spec.parse import dump_spec, load_spec
from tests.orchestrator.cli.test_run import TINY
from trainables.io.object_store import ObjectStore, StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.ledger.records import SweepRecords
    from orchestrator.spec.sweep_spec import SweepSpec


def test_local_files_drafts_claims_and_the_ledger_are_not_mirrored(tmp_path: Path) -> None:
    folder = SweepFolder(tmp_path, "night-1")
    for name in (
        "spec.yaml",
        "trials/t0/last.pt",
        "trials/t0/.last.pt.draft",
        "trials/t0/claim.json",
        "ledger.db",
        "ledger.db-wal",
        "driver.lock",
        "ray/lane0/state",
    ):
        (folder.path / name).parent.mkdir(parents=True, exist_ok=True)
        (folder.path / name).write_text("content")
    files = mirrored_files(folder)
    assert sorted(files) == ["spec.yaml", "trials/t0/last.pt"]
    assert files["spec.yaml"] == (7, folder.spec.stat().st_mtime_ns)


def test_a_record_is_loaded_as_saved(tmp_path: Path) -> None:
    folder = SweepFolder(tmp_path, "night-1")
    folder.path.mkdir(parents=True)
    record = Record(address="s3://a", driver="d", files={"x/y": (1, 2)})
    assert Record.load(folder) is None
    record.save(folder)
    assert Record.load(folder) == record


@pytest.mark.parametrize(
    "text", ["", "[]", '{"address": "a"}', '{"address": "a", "driver": "d", "files": {"x": [1]}}']
)
def test_an_unreadable_record_counts_as_none(tmp_path: Path, text: str) -> None:
    folder = SweepFolder(tmp_path, "night-1")
    folder.path.mkdir(parents=True)
    (folder.path / RECORD).write_text(text)
    assert Record.load(folder) is None


def asked(number: int) -> TrialAsked:
    return TrialAsked(trial_id=f"t{number}", number=number, config={}, seconds=number)


def begin(root: Path, address: str, seconds: float = 30) -> tuple[SweepSpec, SweepFolder]:
    places = [f"storage.root={root}", f"storage.mirror={address}"]
    spec = load_spec(overrides=[*places, f"storage.mirror_seconds={seconds}"])
    folder = SweepFolder(root, "night-1")
    write(folder.path / "trials" / "t0" / "last.pt", "state 1")
    write(folder.path / "trials" / "t0" / "claim.json", "{}")
    write(folder.path / "trials" / "t0" / ".last.pt.draft", "half")
    write(folder.path / "ray" / "lane0" / "x", "of this machine alone")
    write(spec.storage.cache_dir / "teachers" / "k" / "teacher.safetensors", "teacher")
    folder.spec.write_text(dump_spec(spec))
    with Ledger(folder.ledger) as ledger:
        settle_identity(ledger, spec, "digest")
        ledger.append(asked(0))
    return spec, folder


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def events(folder: SweepFolder) -> int:
    with Ledger(folder.ledger) as ledger:
        return len(list(ledger.events()))


def texts(folder: Path) -> dict[str, str]:
    return {p.name: p.read_text() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_another_machine_resumes_from_the_mirror(store_address: str, tmp_path: Path) -> None:
    spec, folder = begin(tmp_path / "one", store_address)
    with Ledger(folder.ledger) as ledger, mirrored(spec, folder, ledger) as problems:
        ledger.append(asked(1))
        write(folder.path / "trials" / "t1" / "best.json", "{}")
    assert problems == []
    shutil.rmtree(tmp_path / "one")

    lines: list[str] = []
    root = tmp_path / "other: machine"
    free = ["data.root=/elsewhere", "budget.trials=99"]
    again = fetch_sweep(store_address, None, root, overrides=free, report=lines.append)
    assert again == SweepFolder(root, "night-1")
    assert lines == ["fetching sweep night-1: 2 files"]
    assert events(again) == 2
    assert texts(again.trials) == {"last.pt": "state 1", "best.json": "{}"}
    assert texts(root / "cache" / "teachers") == {"teacher.safetensors": "teacher"}
    assert not (again.path / "ray").exists()
    moved = load_spec(again.spec)
    assert moved.storage.root == str(root)
    assert moved.storage.mirror == store_address
    assert moved.data.root == "/elsewhere"
    assert moved.budget == spec.budget
    with Ledger(again.ledger) as ledger:
        settle_identity(ledger, moved, "digest")  # it is the same sweep


def test_changes_and_removals_are_mirrored(store_address: str, tmp_path: Path) -> None:
    spec, folder = begin(tmp_path, store_address)
    trial = folder.trials / "t0"
    with Ledger(folder.ledger) as ledger:
        mirror = Mirror(spec, folder, ledger, address=store_address)
        mirror.begin()
        mirror.copy()
        write(trial / "last.pt", "state 2")
        write(trial / "best.json", "{}")
        mirror.copy()
        store = ObjectStore(store_address)
        trial_name = "sweeps/night-1/trials/t0"
        assert store.read(f"{trial_name}/last.pt") == b"state 2"
        (trial / "last.pt").unlink()
        mirror.copy()
        assert set(store.files(trial_name)) == {"best.json"}
        later = Mirror(spec, folder, ledger, address=store_address)  # a driver that resumes here
        later.begin()
        write(trial / "last.pt", "state 3")
        (trial / "best.json").unlink()
        later.copy()
        assert set(store.files(trial_name)) == {"last.pt"}


def test_a_state_is_copied_after_the_weights_it_needs(tmp_path: Path) -> None:
    spec, folder = begin(tmp_path / "one", f"file://{tmp_path}/mirror")
    names = ["best.json", "best.previous.safetensors", "best.safetensors", "last.pt"]
    for name in reversed(names):
        write(folder.trials / "t0" / name, name * 10_000)
    with Ledger(folder.ledger) as ledger, mirrored(spec, folder, ledger):
        pass
    copied = tmp_path / "mirror/sweeps/night-1/trials/t0"
    assert sorted(names, key=lambda name: (copied / name).stat().st_mtime_ns) == names


def test_only_one_driver_writes(store_address: str, tmp_path: Path) -> None:
    spec, folder = begin(tmp_path / "one", store_address)
    with Ledger(folder.ledger) as ledger, mirrored(spec, folder, ledger) as problems:
        other = fetch_sweep(store_address, "night", tmp_path / "other")
        with Ledger(other.ledger) as other_ledger:
            second = Mirror(load_spec(other.spec), other, other_ledger, address=store_address)
            second.begin()
            other_ledger.append(asked(5))
            second.copy()
        write(folder.trials / "t0" / "last.pt", "of the driver that was thought to be dead")
    (problem,) = problems
    assert "resumed the sweep from" in problem
    store = ObjectStore(store_address)
    assert store.read("sweeps/night-1/trials/t0/last.pt") == b"state 1"
    with pytest.raises(MirrorConflictError, match="another machine resumed it"):
        fetch_sweep(store_address, "night-1", tmp_path / "one")
    assert fetch_sweep(store_address, "night-1", tmp_path / "other") == other  # run again


def test_an_interrupted_pass_leaves_the_former_ledger(tmp_path: Path) -> None:
    address = f"file://{tmp_path}/mirror"
    spec, folder = begin(tmp_path / "one", address)
    with Ledger(folder.ledger) as ledger:
        mirror = Mirror(spec, folder, ledger, address=address)
        mirror.begin()
        mirror.copy()
        ledger.append(asked(1))
        (blocked := tmp_path / "mirror/sweeps/night-1/trials/t1").write_text("in the way")
        write(folder.trials / "t1" / "last.pt", "state")
        with pytest.raises(StoreError):
            mirror.copy()
        assert events(fetch_sweep(address, None, tmp_path / "early")) == 1
        blocked.unlink()
        mirror.copy()
        assert events(fetch_sweep(address, None, tmp_path / "late")) == 2


def test_mirroring_continues_after_the_store_was_unavailable(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = tmp_path / "mirror"
    spec, folder = begin(tmp_path / "one", f"file://{place}", 0.02)
    state = place / "sweeps/night-1/trials/t0/last.pt"
    with Ledger(folder.ledger) as ledger, mirrored(spec, folder, ledger) as problems:
        place.rename(tmp_path / "away")
        place.write_text("no folder")
        write(folder.trials / "t0" / "last.pt", "state 2")
        end = time.monotonic() + 20
        while "mirroring failed" not in caplog.text:
            assert time.monotonic() < end
            time.sleep(0.01)
        place.unlink()
        (tmp_path / "away").rename(place)
        while state.read_text() != "state 2":
            assert time.monotonic() < end
            time.sleep(0.02)
    assert problems == []


def test_an_unwritable_store_stops_the_sweep_before_it_starts(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    spec, folder = begin(tmp_path / "one", f"file://{tmp_path}/file")
    with (
        Ledger(folder.ledger) as ledger,
        pytest.raises(StoreError, match="file://"),
        mirrored(spec, folder, ledger),
    ):
        pytest.fail("it began")


def test_a_driver_that_lost_its_mirror_reports_the_owner(tmp_path: Path) -> None:
    address = f"file://{tmp_path}/mirror"
    spec, folder = begin(tmp_path / "one", address)
    with Ledger(folder.ledger) as ledger:
        mirror = Mirror(spec, folder, ledger, address=address)
        mirror.begin()
        owner = {"driver": "another", "pid": 7, "host": "box"}
        ObjectStore(address).write("sweeps/night-1/owner.json", json.dumps(owner).encode())
        with pytest.raises(TakenOverError, match="process 7 on box"):
            mirror.copy()


def test_missing_and_ambiguous_sweeps_raise(store_address: str, tmp_path: Path) -> None:
    with pytest.raises(UnknownSweepError, match="no sweep at"):
        fetch_sweep(store_address, None, tmp_path)
    for name in ("a-1", "b-1"):
        ObjectStore(store_address).write(f"sweeps/{name}/ledger.db", b"")
    with pytest.raises(UnknownSweepError, match="name one of a-1, b-1"):
        fetch_sweep(store_address, None, tmp_path)
    with pytest.raises(UnknownSweepError, match="there is no sweep 'c'"):
        fetch_sweep(store_address, "c", tmp_path)


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
