"""Protocols of the MLflow writer's source and destination."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.tracking.names import RunStatus
    from orchestrator.tracking.runs.updates import Point, RunUpdate


class EventSource(Protocol):
    """Source of the events: the ledger."""

    def events(self, after: int = 0) -> Iterable[tuple[int, SweepEvent]]:
        """Return ``(sequence number, event)`` of every event after number ``after``, in order."""


class RunSink(Protocol):
    """Destination of the runs: the tracking store."""

    @property
    def ranks(self) -> Mapping[str, int]:
        """Pareto rank of each trial's run when the store was opened."""

    def open(self) -> str:
        """Find or create the sweep's run, load its child runs; return its id."""

    def push_all(self, updates: Sequence[RunUpdate]) -> Sequence[str]:
        """Write ``updates``, one per trial; return the refused ones. Idempotent."""

    def push_sweep(self, points: Sequence[Point] = ()) -> None:
        """Log points to the sweep's run. Idempotent."""

    def finish(self, status: RunStatus, ended_ms: int) -> None:
        """End the sweep's run."""
