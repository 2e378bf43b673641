"""The request for a promotion, with bounds on the figures of the model."""

from __future__ import annotations

import getpass
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from orchestrator.spec.objectives import Constraint

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


Rule: TypeAlias = Literal["best-miou", "knee", "fastest", "fewest-flops", "smallest"]
"""Rule that selects one trial of the front."""
RULES: tuple[Rule, ...] = get_args(Rule)


def this_user() -> str:
    """Return the user name of this process; ``unknown`` if it has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


@dataclass(frozen=True, kw_only=True, slots=True)
class Tolerances:
    """Largest differences between compared figures."""

    miou: float = 0.005
    """Largest difference between reproduced and recorded mIoU, >= 0."""
    latency: float = 0.5
    """Largest relative excess over the recorded latency, >= 0."""
    latency_noise: float = 0.1
    """Relative difference up to which two latencies are equal, >= 0."""
    agreement: float = 0.999
    """Lowest share of pixels that reloaded and trained model predict alike, [0, 1]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PromotionRequest:
    """A request to promote a trial of a sweep."""

    name: str
    """Name of the registered model."""
    rule: Rule = "best-miou"
    """Rule that chooses the trial."""
    limits: Limits = field(default_factory=Limits)
    """Bounds in addition to the sweep's constraints."""
    trial_id: str | None = None
    """Id of the trial; None applies the rule."""
    min_test_miou: float | None = None
    """Lowest mIoU on the test split, [0, 1]; None is unbounded. It never selects the trial, because
    the split would not be held out then."""
    tolerances: Tolerances = field(default_factory=Tolerances)
    """Tolerances of the gates."""
    retrain_seeds: int = 0
    """Number of seeds to retrain the configuration with, >= 0."""
    by: str = field(default_factory=this_user)
    """User name."""
