"""A sweep folder of the former version: its spec.yaml and its ledger as SQL."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.ledger.folders import SweepFolder
from orchestrator.ledger.identity import SpecChangedError, settle_identity, unfinished_sweep_of
from orchestrator.ledger.ledger import Ledger
from orchestrator.report.files import read_report
from orchestrator.spec.parse import load_spec
from orchestrator.spec.text import SpecError
from orchestrator.sweep.make import make_sweep, setup_of

FORMER = Path(__file__).parent / "former_sweep"


@pytest.fixture
def folder(tmp_path: Path) -> SweepFolder:
    folder = SweepFolder(tmp_path, "former-20260101-000000")
    folder.path.mkdir(parents=True)
    folder.spec.write_text((FORMER / "spec.yaml").read_text())
    with closing(sqlite3.connect(folder.ledger)) as connection:
        connection.executescript((FORMER / "ledger.sql").read_text())
    return folder


def test_a_former_sweep_resumes_its_open_trial(folder: SweepFolder) -> None:
    spec = load_spec(folder.spec)

    def costs(_: object) -> dict[str, float]:
        return {"flops": 1.1e8, "macs": 5.5e7, "params": 6.1e5}

    with Ledger(folder.ledger) as ledger:
        settle_identity(ledger, spec, "d1")
        sweep = make_sweep(setup_of(spec, costs), journal=ledger, clock=lambda: 20.0)
        sweep.replay(event for _, event in ledger.events())
        resumed = sweep.next_trial()
        assert resumed is not None
        assert (resumed[0].trial_id, resumed[1]) == ("t00002", 3)
        proposed = sweep.next_trial()
        assert proposed is not None
        assert proposed[0].number == 3


def test_a_former_sweep_is_reported(folder: SweepFolder) -> None:
    report = read_report(folder)
    assert {row.trial_id: row.state for row in report.rows} == {
        "t00000": "complete",
        "t00001": "stopped",
        "t00002": "running",
    }
    assert [row.trial_id for row in report.front] == ["t00000"]
    assert report.rows[0].test_miou == 0.28
    assert report.reference_point["latency_ms"] == 20.0


def test_a_former_sweep_counts_as_unfinished_sweep_of_its_spec(folder: SweepFolder) -> None:
    spec = load_spec(folder.spec)
    assert unfinished_sweep_of(folder.root, spec) == folder
    other = replace(spec, budget=replace(spec.budget, trials=5))
    assert unfinished_sweep_of(folder.root, other) is None


def test_a_former_sweep_with_another_spec_is_refused(folder: SweepFolder) -> None:
    spec = load_spec(folder.spec, overrides=["budget.epochs=9"])
    with Ledger(folder.ledger) as ledger, pytest.raises(SpecChangedError) as error:
        settle_identity(ledger, spec, "d2")
    assert "budget.epochs: was 3, is 9" in str(error.value)
    assert "prospect" not in str(error.value)
    assert "digest was d1, is d2" in str(error.value)


def test_a_spec_of_a_later_version_is_refused_with_its_key(folder: SweepFolder) -> None:
    folder.spec.write_text(folder.spec.read_text() + "federation: {sites: 3}\n")
    with pytest.raises(SpecError, match="federation: unknown key"):
        load_spec(folder.spec)
