"""Shows a running sweep: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from threading import RLock
from typing import TYPE_CHECKING, TextIO

from orchestrator.cli.shared.output import escape_control, seconds_text
from orchestrator.driver.final_checks import DOING
from orchestrator.ledger.events import (
    EpochReported,
    TrialEnded,
    TrialExamined,
    TrialInterrupted,
    TrialStarted,
)
from trainables.session.messages import UNDISTURBED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console, Group

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.ledger.records import TrialRecord
    from orchestrator.report.progress import ProgressModel, ProgressRow, ProgressView

REFRESH_PER_SECOND = 2
_FRAME_LINES = 6
_STYLES = {
    "complete": "green",
    "running": "cyan",
    "stopped": "yellow",
    "infeasible": "yellow",
    "preempted": "yellow",
    "failed": "red",
}


class PlainLines:
    """Writes a line when a trial starts, finishes an epoch or ends.

    The events of an earlier run are summarized in one line.
    """

    def __init__(self, model: ProgressModel, stream: TextIO, clock: Callable[[], float]) -> None:
        self._model = model
        self._stream = stream
        self._clock = clock
        self._replayed = False

    def stage(self, text: str) -> None:
        """Write the current stage."""
        self._write(text)

    def warn(self, text: str) -> None:
        """Write a warning."""
        self._write(f"warning: {text}")

    def on_event(self, event: SweepEvent, record: TrialRecord, *, replayed: bool = False) -> None:
        """Write the line of one event."""
        row = self._model.on_event(event, record)
        if replayed:
            self._replayed = True
            return
        line = _examined(event) if isinstance(event, TrialExamined) else _line(event, row)
        if isinstance(event, TrialEnded):
            line = f"{line} | {header(self._model.view(self._clock()))}"
        if line is not None:
            self._write(line)

    def _write(self, line: str) -> None:
        if self._replayed:
            self._replayed = False
            line = f"resumed: {header(self._model.view(self._clock()))}\n{line}"
        self._stream.write(f"{escape_control(line)}\n")
        self._stream.flush()


class LiveTable:
    """Redraws a table of the trials that fit on the terminal."""

    def __init__(self, model: ProgressModel, console: Console, clock: Callable[[], float]) -> None:
        self._model = model
        self._console = console
        self._clock = clock
        self._lock = RLock()
        self._stage = ""

    def stage(self, text: str) -> None:
        """Show the current stage below the table."""
        with self._lock:
            self._stage = text

    def warn(self, text: str) -> None:
        """Print a warning above the table."""
        self._console.print(escape_control(f"warning: {text}"), markup=False, highlight=False)

    def on_event(
        self,
        event: SweepEvent,
        record: TrialRecord,
        *,
        replayed: bool = False,  # noqa: ARG002 - alike
    ) -> None:
        """Record one event; the next refresh shows it."""
        with self._lock:
            self._model.on_event(event, record)

    def __rich__(self) -> Group:
        """Return the current table; called at each refresh, in its thread."""
        with self._lock:
            view, stage = self._model.view(self._clock()), self._stage
        return picture(view, max(3, self._console.height - _FRAME_LINES), stage)


@contextmanager
def show(
    model: ProgressModel, clock: Callable[[], float], *, stream: TextIO | None = None
) -> Iterator[PlainLines | LiveTable]:
    """Yield the listener that shows a sweep on ``stream`` (standard error) until the body ends.

    Args:
        model: Progress of the sweep.
        clock: Returns the seconds since the start of the sweep.
        stream: Stream to write to; None for standard error.
    """
    stream = stream or sys.stderr
    if not stream.isatty():
        yield PlainLines(model, stream, clock)
        return
    from rich.console import Console
    from rich.live import Live

    console = Console(file=stream)
    live_table = LiveTable(model, console, clock)
    with Live(
        get_renderable=live_table.__rich__,
        console=console,
        refresh_per_second=REFRESH_PER_SECOND,
        redirect_stdout=False,
    ):
        yield live_table


def header(view: ProgressView) -> str:
    """Return the state of the sweep in one line."""
    words = [f"{view.done}/{view.total} trials"]
    if view.gated:
        words.append(f"{view.gated} rejected by the cost gate")
    if view.best is not None and view.best.miou is not None:
        words.append(f"best mIoU {view.best.miou:.3f} ({view.best.trial_id})")
    if view.hypervolume_share is not None:
        words.append(f"hypervolume {view.hypervolume_share:.1%}")
    words.append(seconds_text(view.elapsed))
    if view.left is not None and view.left >= 1:
        unless = " unless the front grows" if view.ends_by == "stagnation" else ""
        words.append(f"about {seconds_text(view.left)} left{unless}")
    return ", ".join(words)


def picture(view: ProgressView, limit: int, stage: str = "") -> Group:
    """Return the sweep's line above a table of at most ``limit`` trials in order of proposal.

    Running trials are selected first, then the latest ones.
    """
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, pad_edge=False)
    for column in ("trial", "state"):
        drawn.add_column(column, no_wrap=True)
    for column in ("epoch", "mIoU", "ms", "GFLOPs"):
        drawn.add_column(column, justify="right", no_wrap=True)
    drawn.add_column("configuration", no_wrap=True, overflow="ellipsis")
    for row in _shown(view, limit):
        drawn.add_row(
            row.trial_id,
            Text(row.state, style=_STYLES.get(row.state, "")),
            f"{row.epoch}/{row.epochs}",
            _number(row.miou, 3),
            _latency(row.latency_ms, disturbed=row.disturbed),
            _number(row.gflops, 2),
            Text(row.reason if row.state in {"failed", "infeasible"} else row.config),
        )
    return Group(Text(header(view)), drawn, Text(stage, style="dim"))


def _shown(view: ProgressView, limit: int) -> list[ProgressRow]:
    running = [row for row in view.rows if row.state == "running"][:limit]
    others = [row for row in reversed(view.rows) if row.state != "running"]
    chosen = {row.trial_id for row in [*running, *others[: limit - len(running)]]}
    return [row for row in view.rows if row.trial_id in chosen]


def _line(event: SweepEvent, row: ProgressRow) -> str | None:
    match event:
        case TrialStarted():
            again = f" again (attempt {event.attempt})" if event.attempt > 1 else ""
            return f"{row.trial_id} started{again}: {row.config}"
        case EpochReported():
            miou = _number(event.metrics.get("miou"), 3)
            loss = _number(event.metrics.get("train_loss"), 3)
            return f"{row.trial_id} epoch {event.epoch}/{row.epochs}: mIoU {miou}, loss {loss}"
        case TrialInterrupted(cause="notice"):
            return f"{row.trial_id} received a preemption notice and saved a checkpoint"
        case TrialInterrupted():
            return (
                f"{row.trial_id} lost its lane ({event.cause}) and will be retried: {event.reason}"
            )
        case TrialEnded():
            latency = _latency(row.latency_ms, disturbed=row.disturbed)
            gflops = _number(row.gflops, 2)
            figures = f"mIoU {_number(row.miou, 3)}, {latency} ms, {gflops} GFLOPs"
            why = f" ({row.reason})" if row.reason else ""
            return f"{row.trial_id} {row.state}{why}: {figures}"
    return None


def _examined(event: TrialExamined) -> str:
    if event.reason:
        return f"{event.trial_id}: {DOING[event.kind]} failed: {event.reason}"
    match event.kind:
        case "latency":
            disturbed = event.metrics.get(UNDISTURBED, 1.0) != 1.0
            latency = _latency(event.metrics.get("latency_ms"), disturbed=disturbed)
            return f"{event.trial_id} measured again: {event.ruled_out or f'{latency} ms'}"
        case "test":
            return f"{event.trial_id} test mIoU {_number(event.metrics.get('test_miou'), 3)}"


def _latency(value: float | None, *, disturbed: bool) -> str:
    return f"{'~' if disturbed else ''}{_number(value, 1)}"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
