"""MLflow runs of a sweep as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, kw_only=True, slots=True)
class RunFacts:
    """The MLflow run of a trial."""

    run_id: str
    trial_id: str
    """Trial id in its tags; empty without the tag."""
    status: str
    """``RUNNING``, ``FINISHED``, ``KILLED`` or ``FAILED``."""
    state: str
    """State of the trial in its tags."""
    ended: bool
    """Whether it has an end time."""
    points: Mapping[str, Sequence[tuple[int, float]]] = field(default_factory=dict)
    """``(step, value)`` of every point, by metric key."""
    params: Mapping[str, str] = field(default_factory=dict)
    artifacts: frozenset[str] = frozenset()
    """Paths of its artifacts, relative to the artifact root of the run."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrackedSweep:
    """All runs of one sweep in a tracking store."""

    sweep_runs: tuple[str, ...] = ()
    """Ids of the sweep's own runs; there must be exactly one."""
    runs: tuple[RunFacts, ...] = ()
