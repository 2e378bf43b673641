"""Bounds that a promoted model keeps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.spec.constraints import Constraint

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Bounds that the promoted model keeps besides the sweep's own constraints."""

    max_latency_ms: float | None = None
    """Largest latency, ms, > 0; None for none."""
    max_flops: float | None = None
    """Most operations for one image, > 0; None for none."""
    max_size_mb: float | None = None
    """Largest deployed file, MB (10^6 bytes), > 0; None for none."""
    min_miou: float | None = None
    """Least mIoU, [0, 1]; None for none."""

    def constraints(self) -> tuple[Constraint, ...]:
        """Return the bounds that are set."""
        given = (
            ("latency_ms", "<=", self.max_latency_ms),
            ("flops", "<=", self.max_flops),
            ("size_mb", "<=", self.max_size_mb),
            ("miou", ">=", self.min_miou),
        )
        return tuple(
            Constraint(metric, relation, bound)  # type: ignore[arg-type]
            for metric, relation, bound in given
            if bound is not None
        )


def broken_bounds(metrics: Mapping[str, float], constraints: Iterable[Constraint]) -> list[str]:
    """Return every constraint that ``metrics`` break or lack the figure for, as text."""
    found = []
    for constraint in constraints:
        value = metrics.get(constraint.metric, math.nan)
        if not math.isfinite(value):
            found.append(f"no {constraint.metric} is known for {constraint}")
        elif not constraint.holds(value):
            found.append(f"{constraint.metric} = {value:.6g} breaks {constraint}")
    return found
