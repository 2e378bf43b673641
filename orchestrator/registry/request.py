"""The request for a promotion."""

from __future__ import annotations

import getpass
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

from orchestrator.registry.bounds import Limits

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
