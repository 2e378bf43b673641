from __future__ import annotations

import pytest

from orchestrator.ledger.records import RecordState, SweepRecords, TrialRecord
from orchestrator.report.analysis.effort import effort_of


def trial(number: int, state: RecordState, epochs: int, seconds: float) -> TrialRecord:
    return TrialRecord(
        trial_id=f"t{number}",
        number=number,
        state=state,
        config={},
        epochs_done=epochs,
        busy_seconds=seconds,
    )


RECORDS = SweepRecords(
    trials=(
        trial(0, "complete", 10, 100.0),
        trial(1, "stopped", 2, 20.0),
        trial(2, "infeasible", 0, 0.0),
        trial(3, "running", 3, 0.0),
    ),
    seconds=150.0,
)


def test_saved_time_counts_remaining_epochs_at_the_mean_duration() -> None:
    effort = effort_of(RECORDS, epochs=10, workers_per_trial=2)
    assert (effort.seconds, effort.epochs) == (150.0, 15)
    assert effort.device_hours == pytest.approx(240 / 3600)
    assert (effort.stop_epochs_saved, effort.gate_epochs_saved) == (8, 10)
    assert effort.device_hours_saved == pytest.approx(18 * 240 / 15 / 3600)


def test_without_the_length_of_a_training_there_is_no_estimate() -> None:
    effort = effort_of(RECORDS)
    assert effort.device_hours_saved is None
    assert effort.stop_epochs_saved == 0
    assert effort_of(SweepRecords(), epochs=10).device_hours_saved is None
