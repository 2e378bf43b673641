"""Updates of MLflow runs as values."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from orchestrator.tracking.names import RunStatus
    from search_spaces.domains import Value


@dataclass(frozen=True, slots=True)
class Point:
    """One value of a metric; writing it twice changes nothing."""

    key: str
    value: float
    step: int
    at_ms: int
    """Time from the ledger, ms since 1970; the same in a replay."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunUpdate:
    """Additions to the run of one trial; the run is created if there is none."""

    trial_id: str
    name: str = ""
    """Name of a new run."""
    asked_ms: int = 0
    """Start time of a new run, ms since 1970."""
    params: Mapping[str, Value] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    points: tuple[Point, ...] = ()
    status: RunStatus | None = None
    """New status; None keeps the status."""
    ended_ms: int | None = None
    """End time, ms since 1970; None for an open run."""
    artifacts: tuple[str, ...] = ()
    """Files to upload, relative to the trial's folder."""

    def merged(self, later: RunUpdate) -> RunUpdate:
        """Return both updates of one trial as one; later values win."""
        return replace(
            self,
            name=later.name or self.name,
            asked_ms=later.asked_ms or self.asked_ms,
            params={**self.params, **later.params},
            tags={**self.tags, **later.tags},
            points=(*self.points, *later.points),
            status=later.status or self.status,
            ended_ms=later.ended_ms if later.status else self.ended_ms,
            artifacts=tuple(dict.fromkeys((*self.artifacts, *later.artifacts))),
        )


def merge(updates: Iterable[RunUpdate]) -> list[RunUpdate]:
    """Return one update per trial, in order of first appearance."""
    merged: dict[str, RunUpdate] = {}
    for update in updates:
        before = merged.get(update.trial_id)
        merged[update.trial_id] = before.merged(update) if before else update
    return list(merged.values())
