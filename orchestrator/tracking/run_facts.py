"""MLflow runs of a sweep as values, read back from the store."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, kw_only=True, slots=True)
class RunFacts:
    """One MLflow run of a trial, as it is read back."""

    run_id: str
    trial_id: str
    """Its tag; empty where it has none."""
    status: str
    """``RUNNING``, ``FINISHED``, ``KILLED`` or ``FAILED``."""
    state: str
    """Its tag: the trial's state."""
    ended: bool
    """Whether an end is noted."""
    points: Mapping[str, Sequence[tuple[int, float]]] = field(default_factory=dict)
    """``(step, value)`` of every point on record, per metric key."""
    params: Mapping[str, str] = field(default_factory=dict)
    artifacts: frozenset[str] = frozenset()
    """Files, relative to the run's own folder."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrackedSweep:
    """All runs of one sweep in a tracking store."""

    sweep_runs: tuple[str, ...] = ()
    """Runs of the sweep itself; one is right."""
    runs: tuple[RunFacts, ...] = ()
