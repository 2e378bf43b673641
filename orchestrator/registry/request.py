"""What a user asks of a promotion."""

from __future__ import annotations

import getpass
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

from orchestrator.registry.bounds import Limits

Rule: TypeAlias = Literal["best-miou", "knee", "fastest", "fewest-flops", "smallest"]
"""How one trial is chosen among those on the front."""
RULES: tuple[Rule, ...] = get_args(Rule)


def this_user() -> str:
    """Return the name of whoever runs this process, ``unknown`` where it has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


@dataclass(frozen=True, kw_only=True, slots=True)
class Tolerances:
    """How far a figure may lie from the one it is compared with."""

    miou: float = 0.005
    """Largest difference of a reproduced mIoU, >= 0."""
    latency: float = 0.5
    """Largest share by which a latency may be above the recorded one, >= 0."""
    latency_noise: float = 0.1
    """Share within which two latencies count as equal, >= 0."""
    agreement: float = 0.999
    """Least share of pixels that the reloaded model predicts as the trained one, [0, 1]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PromotionRequest:
    """A wish to promote a trial of a sweep."""

    name: str
    """Name of the registered model."""
    rule: Rule = "best-miou"
    """How the trial is chosen."""
    limits: Limits = field(default_factory=Limits)
    """Bounds besides the sweep's own."""
    trial_id: str | None = None
    """The trial; None lets the rule choose."""
    min_test_miou: float | None = None
    """Least mIoU on the test split, [0, 1]; None asks for none. It never chooses the trial: a split
    that chooses is not held out any more."""
    tolerances: Tolerances = field(default_factory=Tolerances)
    """How closely figures must be reproduced."""
    retrain_seeds: int = 0
    """Seeds with which the configuration is trained again, >= 0."""
    by: str = field(default_factory=this_user)
    """Who asks."""
