"""The budget of a sweep: trials, epochs, device-hours, stagnation."""

from __future__ import annotations

from dataclasses import dataclass

from trainables.config import PositiveFloat, PositiveInt  # noqa: TC001 - pydantic reads them


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepBudget:
    """Limits after which a sweep proposes no further trial."""

    trials: PositiveInt = 16
    """Trials that are trained; those that the cost gate rejects do not count."""
    epochs: PositiveInt = 10
    """Epochs of a full training."""
    device_hours: PositiveFloat | None = None
    """Hours of training, summed over lanes and their workers; None for no limit."""
    stagnation_trials: PositiveInt | None = None
    """Consecutive trained trials without a 1 % larger hypervolume after which the sweep ends;
    None for no such limit."""
