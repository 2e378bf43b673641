"""Bounds on the figures of a promoted model."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.spec.constraints import Constraint

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Bounds of a promotion in addition to the sweep's constraints."""

    max_latency_ms: float | None = None
    """Highest latency, ms, > 0; None is unbounded."""
    max_flops: float | None = None
    """Most FLOPs for one image, > 0; None is unbounded."""
    max_size_mb: float | None = None
    """Largest deployed file, MB of 10^6 bytes, > 0; None is unbounded."""
    min_miou: float | None = None
    """Lowest mIoU on the validation split, [0, 1]; None is unbounded."""

    def constraints(self) -> tuple[Constraint, ...]:
        """Return the bounds as constraints."""
        bounds = (
            ("latency_ms", "<=", self.max_latency_ms),
            ("flops", "<=", self.max_flops),
            ("size_mb", "<=", self.max_size_mb),
            ("miou", ">=", self.min_miou),
        )
        return tuple(
            Constraint(metric, relation, bound)  # type: ignore[arg-type]
            for metric, relation, bound in bounds
            if bound is not None
        )


def broken_bounds(metrics: Mapping[str, float], constraints: Iterable[Constraint]) -> list[str]:
    """Return a message for each constraint that is violated or whose metric is missing."""
    faults = []
    for constraint in constraints:
        value = metrics.get(constraint.metric, math.nan)
        if not math.isfinite(value):
            faults.append(f"{constraint.metric} is missing for {constraint}")
        elif not constraint.holds(value):
            faults.append(f"{constraint.metric} = {value:.6g} breaks {constraint}")
    return faults
