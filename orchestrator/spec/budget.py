"""The budget of a sweep: trials, epochs, device-hours, stagnation."""

from __future__ import annotations

from dataclasses import dataclass

from trainables.config import PositiveFloat, PositiveInt  # noqa: TC001 - pydantic reads them


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepBudget:
    """When a sweep proposes nothing more."""

    trials: PositiveInt = 16
    """Trials that are trained; those the cost gate settles are not counted."""
    epochs: PositiveInt = 10
    """Epochs of a full training."""
    device_hours: PositiveFloat | None = None
    """Hours of training summed over lanes and their workers; None without a limit."""
    stagnation_trials: PositiveInt | None = None
    """Trained trials in a row without a hypervolume 1 % larger that end the sweep; None for
    no such rule."""
