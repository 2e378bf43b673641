"""Trials of a simulated sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.ledger.records import fold

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.ledger.records import SweepRecords


@pytest.fixture(scope="session")
def records(simulated_sweep: Callable[..., Any]) -> SweepRecords:
    """Return the trials at a moment when one is complete and one has trained two epochs."""
    whole = simulated_sweep()
    whole.run()
    for count in range(len(whole.tape)):
        trials = fold(whole.tape[:count])
        if trials.complete and any(
            trial.state == "running" and trial.epochs_done > 1 for trial in trials.trials
        ):
            return trials
    raise AssertionError("the simulated sweep has no such moment")
