"""What a sweep cost in device time, against what training everything to its end would have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.ledger.records import SweepRecords


@dataclass(frozen=True, kw_only=True, slots=True)
class Effort:
    """Device time spent, with an estimate of what was not spent."""

    seconds: float = 0.0
    """Wall time from the sweep's begin to its last event."""
    device_hours: float = 0.0
    """Time on lanes of all trials that ended, times the devices of each."""
    epochs: int = 0
    """Epochs trained, over all trials."""
    gate_epochs_saved: int = 0
    """Epochs that infeasible trials were not trained for."""
    stop_epochs_saved: int = 0
    """Epochs that stopped trials were not trained for."""
    device_hours_saved: float | None = None
    """Those epochs at the mean time of an epoch in this sweep; None where that is not known."""


def effort_of(
    records: SweepRecords, *, epochs: int | None = None, workers_per_trial: int = 1
) -> Effort:
    """Return the device time ``records`` account for.

    Args:
        records: The trials so far.
        epochs: Epochs of a full training; None gives no estimate of what was saved.
        workers_per_trial: Devices a trial holds while it runs.
    """
    trained = sum(trial.epochs_done for trial in records.trials)
    busy = sum(trial.busy_seconds for trial in records.trials) * workers_per_trial
    left = {
        state: sum(
            max(0, (epochs or 0) - trial.epochs_done)
            for trial in records.trials
            if trial.state == state
        )
        for state in ("infeasible", "stopped")
    }
    known = epochs is not None and trained > 0 and busy > 0
    return Effort(
        seconds=records.seconds,
        device_hours=busy / 3600,
        epochs=trained,
        gate_epochs_saved=left["infeasible"],
        stop_epochs_saved=left["stopped"],
        device_hours_saved=sum(left.values()) * busy / trained / 3600 if known else None,
    )
