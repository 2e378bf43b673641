"""A thread that copies the events of a ledger to MLflow."""

from __future__ import annotations

import json
import logging
import threading
import time
from dataclasses import asdict, dataclass
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from orchestrator.tracking import names
from orchestrator.tracking.client import TrackingError
from orchestrator.tracking.runs.projection import Projector, merge
from trainables.io.atomic import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.tracking.info import SweepInfo
    from orchestrator.tracking.names import RunStatus
    from orchestrator.tracking.runs.projection import Point, RunUpdate


@dataclass(frozen=True, kw_only=True, slots=True)
class Cursor:
    """The last event written to the store, and the sweep's run there."""

    seq: int = 0
    """Sequence number in the ledger; 0 before the first event."""
    run_id: str = ""
    """Run of the sweep; a different run in the store means that the store was replaced."""


def load_cursor(path: Path) -> Cursor:
    """Return the cursor at ``path``, or the initial one if it cannot be read."""
    try:
        values = json.loads(path.read_text())
        return Cursor(seq=int(values["seq"]), run_id=str(values["run_id"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Cursor()


def save_cursor(path: Path, cursor: Cursor) -> None:
    """Write ``cursor`` to ``path`` atomically."""
    write_atomically(path, json.dumps(asdict(cursor)).encode())


_logger = logging.getLogger(__name__)
_MAX_PROBLEMS = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class WriterSettings:
    """Batch size, pauses and retries of the writer."""

    batch_events: int = 1000
    """Most events of a batch, >= 1."""
    pause_seconds: float = 0.25
    """Pause after a batch that was not full, s, >= 0; fewer batches use less CPU."""
    first_retry_seconds: float = 0.5
    """Wait after the first error, s, > 0; doubled after each further one."""
    last_retry_seconds: float = 30.0
    """Longest wait between two tries, s."""
    rank_share: float = 0.1
    """Largest share of the writer's time for updating Pareto ranks, (0, 1]."""


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


class MlflowWriter:
    """Copies new events of the ledger to the tracking store, in its own thread.

    The sweep never waits for it. Refused updates are skipped and reported in ``problems``. While
    the store is unavailable, events stay in the ledger.
    """

    def __init__(
        self,
        *,
        info: SweepInfo,
        events: EventSource,
        store: RunSink,
        cursor_path: Path,
        settings: WriterSettings | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._info = info
        self._events = events
        self._store = store
        self._cursor_path = cursor_path
        self._settings = settings or WriterSettings()
        self._clock = clock
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._given_up = threading.Event()
        self._status: RunStatus = "FINISHED"
        self._thread = threading.Thread(target=self._run, name="mlflow-writer", daemon=True)
        self._projector = Projector(info)
        self._cursor = Cursor()
        self._opened = False
        self._drained = False
        self._ranks: dict[str, int] = {}
        self._ranks_stale = False
        self._ranks_due = 0.0
        self.problems: list[str] = []
        """Errors so far, each once; at most ``_MAX_PROBLEMS``."""

    def start(self) -> None:
        """Start the thread; it continues after the cursor of an earlier writer."""
        self._thread.start()

    def on_event(self, *_: object, replayed: bool = False) -> None:  # noqa: ARG002 - as above
        """Wake the thread; returns at once."""
        self._wake.set()

    @property
    def cursor(self) -> int:
        """Sequence number of the last event in the store."""
        return self._cursor.seq

    def close(self, *, timeout: float = 60.0, status: RunStatus = "FINISHED") -> bool:
        """Write the remaining events, end the sweep's run; return whether all were written.

        Args:
            timeout: Longest wait, s, > 0. The next writer of the sweep writes the rest.
            status: Final status of the sweep's run.
        """
        self._status = status
        self._closing.set()
        self._wake.set()
        self._thread.join(timeout)
        self._given_up.set()
        self._wake.set()
        self._thread.join(5.0)
        return self._drained

    def _run(self) -> None:
        wait = self._settings.first_retry_seconds
        while not self._given_up.is_set():
            try:
                if self._advance():
                    return
                wait = self._settings.first_retry_seconds
            except Exception as error:  # noqa: BLE001 - the thread must survive any error
                self._note(str(error) if isinstance(error, TrackingError) else repr(error))
                self._opened = False
                closing = self._closing.is_set()
                (self._given_up if closing else self._closing).wait(
                    min(wait, 1) if closing else wait
                )
                wait = min(2 * wait, self._settings.last_retry_seconds)

    def _advance(self) -> bool:
        """Write the next batch; return whether the run is closed."""
        if not self._opened:
            self._open()
        closing = (
            self._closing.is_set()
        )  # read before the events, so that the last ones are included
        if written := self._write_batch():
            if written < self._settings.batch_events:
                self._closing.wait(self._settings.pause_seconds)
            return False
        if self._ranks_stale and (closing or self._clock() >= self._ranks_due):
            self._write_ranks()
            return False
        if closing:
            self._store.finish(self._status, self._info.at_ms(self._projector.records.seconds))
            self._drained = True
            return True
        self._wake.wait(1.0 if self._ranks_stale else 60.0)
        self._wake.clear()
        return False

    def _open(self) -> None:
        run_id = self._store.open()
        kept = load_cursor(self._cursor_path)
        if kept.run_id != run_id:
            kept = Cursor(run_id=run_id)
        self._projector = Projector(self._info)
        for seq, event in self._events.events():
            if seq > kept.seq:
                break
            self._projector.observe(event)
        self._cursor = kept
        self._ranks = dict(self._store.ranks)
        self._ranks_stale = True
        self._opened = True

    def _write_batch(self) -> int:
        """Write the next batch of events; return its size."""
        batch = list(islice(self._events.events(self._cursor.seq), self._settings.batch_events))
        if not batch:
            return 0
        updates: list[RunUpdate] = []
        points: list[Point] = []
        for _, event in batch:
            update, sweep_points = self._projector.observe(event)
            updates += [update] if update else []
            points += sweep_points
        self._push(merge(updates))
        if points:
            self._store.push_sweep(points)
            self._ranks_stale = True
        self._cursor = Cursor(seq=batch[-1][0], run_id=self._cursor.run_id)
        save_cursor(self._cursor_path, self._cursor)
        return len(batch)

    def _write_ranks(self) -> None:
        began = self._clock()
        self._push(self._projector.rank_updates(self._ranks))
        self._ranks_stale = False
        took = self._clock() - began
        self._ranks_due = began + took / self._settings.rank_share

    def _push(self, updates: Sequence[RunUpdate]) -> None:
        if not updates:
            return
        for problem in self._store.push_all(updates):
            self._note(problem)
        for update in updates:
            if names.PARETO_RANK in update.tags:
                self._ranks[update.trial_id] = int(update.tags[names.PARETO_RANK])
            elif names.RUN_COLOUR in update.tags:  # a replayed event has reset the colour
                self._ranks.pop(update.trial_id, None)

    def _note(self, problem: str) -> None:
        if problem not in self.problems and len(self.problems) < _MAX_PROBLEMS:
            self.problems.append(problem)
            _logger.warning("MLflow: %s", problem)
