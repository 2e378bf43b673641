"""What is to be written about one run, before it is written."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from orchestrator.tracking.names import RunStatus
    from search_spaces.domains import Value


@dataclass(frozen=True, slots=True)
class Point:
    """One value of a metric; writing the same one twice changes nothing."""

    key: str
    value: float
    step: int
    at_ms: int
    """Milliseconds since 1970; from the ledger, so that a replay writes the same point."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunUpdate:
    """Additions to one trial's run; the run is made where there is none."""

    trial_id: str
    name: str = ""
    """Name of the run, where it is made."""
    asked_ms: int = 0
    """Begin of the run, where it is made; milliseconds since 1970."""
    params: Mapping[str, Value] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    points: tuple[Point, ...] = ()
    status: RunStatus | None = None
    """New status; None leaves it."""
    ended_ms: int | None = None
    """End of the run; None where it has not ended."""
    artifacts: tuple[str, ...] = ()
    """Files to upload, relative to the trial's folder."""

    def then(self, later: RunUpdate) -> RunUpdate:
        """Return both updates of the same trial as one, the later one's values winning."""
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
        merged[update.trial_id] = before.then(update) if before else update
    return list(merged.values())
