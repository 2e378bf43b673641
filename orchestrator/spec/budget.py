"""The budget of a sweep: trials, epochs, device-hours, stagnation."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepBudget:
    """When a sweep proposes nothing more."""

    trials: int
    """Trials that are trained, >= 1; those the cost gate settles are not counted."""
    epochs: int
    """Epochs of a full training, >= 1."""
    device_hours: float | None = None
    """Hours of training summed over lanes and their workers, > 0; None without a limit."""
    stagnation_trials: int | None = None
    """Trained trials in a row without a hypervolume 1 % larger that end the sweep, >= 1; None for
    no such rule."""
