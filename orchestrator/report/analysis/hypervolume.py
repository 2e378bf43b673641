"""Growth of the hypervolume during a sweep."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from orchestrator.search.pareto import as_minimised, hypervolume

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from orchestrator.ledger.records import SweepRecords, TrialRecord
    from orchestrator.spec.objectives import Objective


@dataclass(frozen=True, kw_only=True, slots=True)
class CurvePoint:
    """State of the sweep when a trial completed."""

    completed: int
    """Complete trials so far, from 1."""
    ended: int
    """Trials that had ended by then, in any state but preempted."""
    seconds: float
    """Time since the sweep started."""
    hypervolume: float
    """Of the complete trials so far, against the report's reference point."""


def volume_curve(
    records: SweepRecords, objectives: Sequence[Objective], reference: Mapping[str, float]
) -> tuple[CurvePoint, ...]:
    """Return the hypervolume after each completed trial, in order of completion.

    It is recomputed only when a trial changes the front, so thousands of trials are fast.
    """
    over = [trial for trial in records.trials if trial.ended and trial.state != "preempted"]
    points = [[finite_value(trial, each.name) for each in objectives] for trial in over]
    minimised = dict(zip((t.trial_id for t in over), as_minimised(points, objectives), strict=True))
    front = np.empty((0, len(objectives)))
    signs = as_minimised(np.ones((1, len(objectives))), objectives)
    volume = 0.0
    curve: list[CurvePoint] = []
    for ended, trial in enumerate(sorted(over, key=lambda each: each.changed_at), start=1):
        if trial.state != "complete":
            continue
        changed = _joined(front, minimised[trial.trial_id])
        if changed is not None:
            front = changed
            volume = hypervolume(front * signs, objectives, reference)
        curve.append(
            CurvePoint(
                completed=len(curve) + 1, ended=ended, seconds=trial.changed_at, hypervolume=volume
            )
        )
    return tuple(curve)


def finite_value(trial: TrialRecord, name: str) -> float:
    """Return a trial's metric; NaN if it is missing or not finite."""
    value = trial.metrics.get(name, math.nan)
    return value if math.isfinite(value) else math.nan


def _joined(front: NDArray[np.float64], new: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return the front with a new point, without dominated ones; None if nothing changes."""
    if np.isnan(new).any() or (front <= new).all(axis=1).any():
        return None
    return np.vstack([front[(front < new).any(axis=1)], new])
