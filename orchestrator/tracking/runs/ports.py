"""What the MLflow writer reads from, with what it writes to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.tracking.names import RunStatus
    from orchestrator.tracking.runs.updates import Point, RunUpdate


class EventSource(Protocol):
    """Where the events are kept; the ledger."""

    def events(self, after: int = 0) -> Iterable[tuple[int, SweepEvent]]:
        """Return ``(sequence number, event)`` of every event after number ``after``, in order."""


class RunSink(Protocol):
    """Where the runs are kept; the tracking store."""

    @property
    def ranks(self) -> Mapping[str, int]:
        """The Pareto rank that stood at each trial's run when the store was opened."""

    def open(self) -> str:
        """Find or make the sweep's run, learn its children; return its id."""

    def push_all(self, updates: Sequence[RunUpdate]) -> Sequence[str]:
        """Write ``updates``, one per trial; return what is refused. The same twice is as once."""

    def push_sweep(self, points: Sequence[Point] = ()) -> None:
        """Add to the sweep's own run; the same twice is as good as once."""

    def finish(self, status: RunStatus, ended_ms: int) -> None:
        """End the sweep's own run."""
