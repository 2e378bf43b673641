"""How the hypervolume grew while a sweep ran."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from orchestrator.pareto import as_minimised, hypervolume

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.events import Objective
    from orchestrator.records import SweepRecords, TrialRecord


@dataclass(frozen=True, kw_only=True, slots=True)
class CurvePoint:
    """How far the sweep was when a trial completed."""

    completed: int
    """Complete trials so far, from 1."""
    ended: int
    """Trials that had ended then, in whichever state but preempted."""
    seconds: float
    """Since the sweep began."""
    hypervolume: float
    """Of the complete trials so far, against the report's reference point."""


def volume_curve(
    records: SweepRecords, objectives: Sequence[Objective], reference: Mapping[str, float]
) -> tuple[CurvePoint, ...]:
    """Return the hypervolume after each completed trial, in order of completion.

    It is computed anew only where a trial changes the front, so thousands of trials take no time.
    """
    over = [trial for trial in records.trials if trial.ended and trial.state != "preempted"]
    front: list[list[float]] = []
    volume = 0.0
    curve: list[CurvePoint] = []
    for ended, trial in enumerate(sorted(over, key=lambda each: each.changed_at), start=1):
        if trial.state != "complete":
            continue
        point = [finite_value(trial, each.name) for each in objectives]
        changed = _joined(front, point, objectives)
        if changed is not None:
            front = changed
            volume = hypervolume(front, objectives, reference)
        curve.append(
            CurvePoint(
                completed=len(curve) + 1, ended=ended, seconds=trial.changed_at, hypervolume=volume
            )
        )
    return tuple(curve)


def finite_value(trial: TrialRecord, name: str) -> float:
    """Return a trial's figure; NaN where it has none or it is not finite."""
    value = trial.metrics.get(name, math.nan)
    return value if math.isfinite(value) else math.nan


def _joined(
    front: list[list[float]], point: list[float], objectives: Sequence[Objective]
) -> list[list[float]] | None:
    """Return the front with ``point``, without what that dominates; None where nothing changes."""
    if any(map(math.isnan, point)):
        return None
    if not front:
        return [point]
    values = as_minimised(front, objectives)
    (new,) = as_minimised([point], objectives)
    if bool((values <= new).all(axis=1).any()):
        return None
    beaten: list[bool] = np.asarray((new <= values).all(axis=1)).tolist()
    return [*(kept for kept, gone in zip(front, beaten, strict=True) if not gone), point]
