"""A sweep on the terminal."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.cli.shared.sweep_run import run_on_terminal
from orchestrator.ledger.ledger import BEGUN, Ledger
from orchestrator.ledger.records import RecordBook
from orchestrator.spec.parse import load_spec

if TYPE_CHECKING:
    from orchestrator.ledger.folders import SweepFolder


class _EndOfTestError(Exception):
    """Ends the run after its first progress line."""


def test_the_first_line_after_resume_counts_the_time_of_the_sweep(
    finished: SweepFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Ledger(finished.ledger) as ledger:
        ledger.set_fact(BEGUN, time.time() - 7205)

    def replay(_spec: object, *, hooks: Any, folder: SweepFolder) -> None:
        records = RecordBook()
        with Ledger(folder.ledger) as ledger:
            for _, event in ledger.events():
                hooks.listeners[0].on_event(event, records.observe(event), replayed=True)
        hooks.stage("starting Ray")
        raise _EndOfTestError

    monkeypatch.setattr("orchestrator.driver.launch.launch", replay)
    with pytest.raises(_EndOfTestError):
        run_on_terminal(load_spec(finished.spec), finished, as_json=False)
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("resumed: 3/3 trials")
    assert "2 h 00 min" in first
    assert second == "starting Ray"
