"""The writer and its cursor."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.ledger.events import TrialAsked, TrialEnded
from orchestrator.tracking.client import TrackingRefusedError, TrackingUnavailableError
from orchestrator.tracking.runs.writer import (
    Cursor,
    MlflowWriter,
    WriterSettings,
    load_cursor,
    save_cursor,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.tracking.info import SweepInfo
    from orchestrator.tracking.names import RunStatus
    from orchestrator.tracking.runs.projection import Point, RunUpdate


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    save_cursor(tmp_path / "c.json", Cursor(seq=3, run_id="r"))
    save_cursor(tmp_path / "c.json", Cursor(seq=5, run_id="r"))
    assert load_cursor(tmp_path / "c.json") == Cursor(seq=5, run_id="r")
    assert [path.name for path in tmp_path.iterdir()] == ["c.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"seq": "x", "run_id": ""}', '{"seq": 1}'])
def test_a_broken_file_means_the_beginning(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.json").write_text(text)
    assert load_cursor(tmp_path / "c.json") == Cursor()


def test_no_file_means_the_beginning(tmp_path: Path) -> None:
    assert load_cursor(tmp_path / "c.json") == Cursor()


FAST = WriterSettings(
    batch_events=7, pause_seconds=0.001, first_retry_seconds=0.001, last_retry_seconds=0.002
)


class ListSource:
    """A ledger in memory."""

    def __init__(self, events: Sequence[SweepEvent] = ()) -> None:
        self._events = list(events)

    def append(self, event: SweepEvent) -> None:
        self._events.append(event)

    def events(self, after: int = 0) -> Iterator[tuple[int, SweepEvent]]:
        yield from list(enumerate(self._events, start=1))[after:]


class MemorySink:
    """Keeps runs as MLflow does: points are a set, later params, tags and statuses win.

    Calls whose number is in ``fails_before`` do nothing but raise; those in ``fails_after`` do
    their work and raise then, like a server whose answer is lost.
    """

    def __init__(
        self,
        *,
        fails_before: frozenset[int] = frozenset(),
        fails_after: frozenset[int] = frozenset(),
    ) -> None:
        self.run_id = "parent"
        self.points: dict[str, set[Point]] = {}
        self.tags: dict[str, dict[str, str]] = {}
        self.status: dict[str, str] = {}
        self.artifacts: dict[str, set[str]] = {}
        self.made: list[str] = []
        self._fails_before = fails_before
        self._fails_after = fails_after
        self._calls = 0
        self._known: set[str] = set()
        self.away = threading.Event()

    @property
    def ranks(self) -> Mapping[str, int]:
        return {k: int(v["pareto_rank"]) for k, v in self.tags.items() if "pareto_rank" in v}

    def open(self) -> str:
        self._call(self._open)
        return self.run_id

    def push_all(self, updates: Sequence[RunUpdate]) -> list[str]:
        refused = []
        for update in updates:
            try:
                self._call(partial(self._push, update))
            except TrackingRefusedError as error:
                refused.append(str(error))
        return refused

    def push_sweep(self, points: Sequence[Point] = ()) -> None:
        self._call(lambda: self.points.setdefault("", set()).update(points))

    def finish(self, status: RunStatus, ended_ms: int) -> None:
        self._call(lambda: self.status.update({"": f"{status} {ended_ms}"}))

    def reset(self) -> None:
        """Lose everything, like a server that was set up anew."""
        self.run_id += "'"
        self.points, self.tags, self.status, self.artifacts, self.made = {}, {}, {}, {}, []

    def state(self) -> object:
        return self.points, self.tags, self.status, self.artifacts, sorted(self.made)

    def _open(self) -> None:
        self._known = set(self.made)

    def _push(self, update: RunUpdate) -> None:
        if "unacceptable" in update.params.values():
            raise TrackingRefusedError(f"trial {update.trial_id} is not acceptable")
        if update.trial_id not in self._known:
            self.made.append(update.trial_id)
            self._known.add(update.trial_id)
        self.points.setdefault(update.trial_id, set()).update(update.points)
        self.tags.setdefault(update.trial_id, {}).update(update.tags)
        self.artifacts.setdefault(update.trial_id, set()).update(update.artifacts)
        if update.status:
            self.status[update.trial_id] = f"{update.status} {update.ended_ms}"

    def _call(self, work: Callable[[], object]) -> None:
        self._calls += 1
        if self.away.is_set() or self._calls in self._fails_before:
            raise TrackingUnavailableError("the server is away")
        work()
        if self._calls in self._fails_after:
            raise TrackingUnavailableError("the answer was lost")


def write(
    info: SweepInfo, events: Sequence[SweepEvent], sink: MemorySink, cursor: Path
) -> MlflowWriter:
    writer = MlflowWriter(
        info=info, events=ListSource(events), store=sink, cursor_path=cursor, settings=FAST
    )
    writer.start()
    assert writer.close(timeout=30)
    return writer


@pytest.fixture
def cursor(tmp_path: Path) -> Path:
    return tmp_path / "tracking.json"


def sound_sink(info: SweepInfo, events: Sequence[SweepEvent], folder: Path) -> MemorySink:
    sink = MemorySink()
    path = folder / "sound.json"
    path.unlink(missing_ok=True)
    write(info, events, sink, path)
    return sink


def test_everything_is_written_and_the_cursor_kept(
    info: SweepInfo, demo_events: Callable[..., list[SweepEvent]], cursor: Path
) -> None:
    events = demo_events(12)
    sink = MemorySink()
    writer = write(info, events, sink, cursor)
    assert writer.problems == []
    assert writer.cursor == load_cursor(cursor).seq == len(events)
    assert len(sink.made) == 12
    assert sink.status["t00000"].startswith("FINISHED")
    assert sink.status[""].startswith("FINISHED")
    front = [trial for trial, tags in sink.tags.items() if tags["pareto"] == "true"]
    assert front
    assert all(sink.tags[trial]["trial_state"] == "complete" for trial in front)


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    before=st.frozensets(st.integers(1, 40), max_size=12),
    after=st.frozensets(st.integers(1, 40), max_size=12),
)
def test_no_failure_loses_or_duplicates_an_event(
    info: SweepInfo,
    demo_events: Callable[..., list[SweepEvent]],
    tmp_path: Path,
    before: frozenset[int],
    after: frozenset[int],
) -> None:
    events = demo_events(6, epochs=3)
    sink = MemorySink(fails_before=before, fails_after=after)
    cursor = tmp_path / "tracking.json"
    cursor.unlink(missing_ok=True)
    write(info, events, sink, cursor)
    assert settled(sink) == settled(sound_sink(info, events, tmp_path))


@settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(cut=st.integers(0, 60), stale=st.integers(0, 20))
def test_a_writer_that_died_is_continued(
    info: SweepInfo,
    demo_events: Callable[..., list[SweepEvent]],
    tmp_path: Path,
    cut: int,
    stale: int,
) -> None:
    """The second writer finds a cursor ``stale`` events behind what the first has written."""
    events = demo_events(6, epochs=3)
    sink = MemorySink()
    cursor = tmp_path / "tracking.json"
    cursor.unlink(missing_ok=True)
    write(info, events[:cut], sink, cursor)
    seq = max(0, load_cursor(cursor).seq - stale)
    cursor.write_text(f'{{"seq": {seq}, "run_id": "parent"}}')
    write(info, events, sink, cursor)
    assert settled(sink) == settled(sound_sink(info, events, tmp_path))


def test_a_replaced_store_receives_every_event_again(
    info: SweepInfo, demo_events: Callable[..., list[SweepEvent]], tmp_path: Path, cursor: Path
) -> None:
    events = demo_events(6)
    sink = MemorySink()
    write(info, events, sink, cursor)
    sink.reset()
    write(info, events, sink, cursor)
    assert sink.state() == sound_sink(info, events, tmp_path).state()


def test_a_store_that_stays_away_holds_nothing_up(
    publish: Callable[..., None],
    info: SweepInfo,
    demo_events: Callable[..., list[SweepEvent]],
    tmp_path: Path,
    cursor: Path,
) -> None:
    events = demo_events(4)
    sink = MemorySink()
    sink.away.set()
    writer = MlflowWriter(
        info=info, events=ListSource(events), store=sink, cursor_path=cursor, settings=FAST
    )
    writer.start()
    for event in events:
        publish(writer, event)
    assert not writer.close(timeout=0.05)
    assert writer.problems == ["the server is away"]
    assert load_cursor(cursor).seq == 0
    sink.away.clear()
    write(info, events, sink, cursor)
    assert sink.state() == sound_sink(info, events, tmp_path).state()


def test_what_is_refused_is_noted_and_passed_over(info: SweepInfo, cursor: Path) -> None:
    events: list[SweepEvent] = [
        TrialAsked(trial_id="bad", number=0, config={"arch": "unacceptable"}),
        TrialAsked(trial_id="good", number=1, config={}),
        TrialEnded(trial_id="good", state="failed", reason="x"),
    ]
    sink = MemorySink()
    writer = write(info, events, sink, cursor)
    assert writer.problems == ["trial bad is not acceptable"]
    assert sink.made == ["good"]


def test_events_are_written_while_the_sweep_runs(
    publish: Callable[..., None],
    info: SweepInfo,
    demo_events: Callable[..., list[SweepEvent]],
    cursor: Path,
) -> None:
    source, sink = ListSource(), MemorySink()
    written = threading.Event()
    push = sink.push_all

    def noting(updates: Sequence[RunUpdate]) -> list[str]:
        refused = push(updates)
        written.set()
        return refused

    sink.push_all = noting  # type: ignore[method-assign]
    writer = MlflowWriter(info=info, events=source, store=sink, cursor_path=cursor, settings=FAST)
    writer.start()
    event = demo_events(1)[0]
    source.append(event)
    publish(writer, event)
    assert written.wait(20)
    assert writer.close(timeout=20, status="KILLED")
    assert sink.status[""].startswith("KILLED")


def settled(sink: MemorySink) -> object:
    """Return a sink's state less the history of ranks, which depends on how often one looks."""
    points = {
        trial: {point for point in found if point.key != "pareto_rank"}
        for trial, found in sink.points.items()
    }
    return points, sink.tags, sink.status, sink.artifacts, sorted(sink.made)
