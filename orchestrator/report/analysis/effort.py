"""Device time of a sweep, and an estimate of the time that stopping saved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.ledger.records import SweepRecords


@dataclass(frozen=True, kw_only=True, slots=True)
class Effort:
    """Device time spent, and an estimate of the time saved."""

    seconds: float = 0.0
    """Wall time from the sweep's start to its last event."""
    device_hours: float = 0.0
    """Lane time of all ended trials, times their devices."""
    epochs: int = 0
    """Trained epochs of all trials."""
    gate_epochs_saved: int = 0
    """Remaining epochs of infeasible trials."""
    stop_epochs_saved: int = 0
    """Remaining epochs of stopped trials."""
    device_hours_saved: float | None = None
    """Those epochs at this sweep's mean time of an epoch; None if that is unknown."""


def effort_of(
    records: SweepRecords, *, epochs: int | None = None, workers_per_trial: int = 1
) -> Effort:
    """Return the device time of ``records``.

    Args:
        records: The trials so far.
        epochs: Epochs of a full training; None for no estimate of the time saved.
        workers_per_trial: Devices of a running trial.
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
