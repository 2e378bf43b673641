from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from trainables.cost.quiet import QuietNode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection
    from pathlib import Path

FORK = multiprocessing.get_context("fork")
PATIENCE = 20.0


def _train(path: Path, stop: Connection, steps: Connection) -> None:
    """Take steps of 2 ms until told to stop, saying when each began and ended."""
    node = QuietNode(path)
    with node.training():
        steps.send(("ready", time.monotonic(), 0.0))
        while not stop.poll():
            node.yield_if_measuring()
            begun = time.monotonic()
            time.sleep(0.002)
            steps.send(("step", begun, time.monotonic()))


def _measure(path: Path, spans: Connection) -> None:
    node = QuietNode(path)
    with node.measuring(timeout_s=PATIENCE, settle_s=0) as quiet:
        begun = time.monotonic()
        time.sleep(0.03)
        spans.send((quiet, begun, time.monotonic()))


class _Child:
    """A forked process with a pipe to it and one from it, whose words are gathered."""

    def __init__(self, work: Callable[..., None], *arguments: object) -> None:
        self._inner_stop, self.stop = FORK.Pipe(duplex=False)
        self._words, inner_words = FORK.Pipe(duplex=False)
        self.said: list[tuple[str, float, float]] = []
        self.process = FORK.Process(target=work, args=(*arguments, self._inner_stop, inner_words))
        self.process.start()
        inner_words.close()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        try:
            while True:
                self.said.append(self._words.recv())
        except EOFError:
            pass

    def wait_for(self, words: int) -> None:
        _until(lambda: len(self.said) >= words)

    def end(self) -> None:
        if self.process.is_alive():
            self.stop.send("stop")
        self.process.join(PATIENCE)
        self._reader.join(PATIENCE)


@contextmanager
def _trainings(path: Path, count: int) -> Iterator[list[_Child]]:
    children = [_Child(_train, path) for _ in range(count)]
    try:
        for child in children:
            child.wait_for(3)
        yield children
    finally:
        for child in children:
            child.end()


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_no_step_of_any_process_falls_into_a_measurement(tmp_path: Path) -> None:
    path = tmp_path / "node"
    with _trainings(path, 3) as children:
        node = QuietNode(path)
        with node.measuring(timeout_s=PATIENCE, settle_s=0) as quiet:
            begun = time.monotonic()
            time.sleep(0.05)
            ended = time.monotonic()
        counts = [len(child.said) for child in children]
        for child, count in zip(children, counts, strict=True):
            child.wait_for(count + 3)
    assert quiet
    for child in children:
        steps = [(start, end) for word, start, end in child.said if word == "step"]
        assert [1 for start, end in steps if start < ended and end > begun] == []
        assert [1 for start, _ in steps if start >= ended] != []


def test_measurements_come_one_after_the_other(tmp_path: Path) -> None:
    path = tmp_path / "node"
    words, inner = FORK.Pipe(duplex=False)
    children = [FORK.Process(target=_measure, args=(path, inner)) for _ in range(3)]
    with _trainings(path, 1):
        for child in children:
            child.start()
        for child in children:
            child.join(PATIENCE)
    spans = sorted((words.recv() for _ in children), key=lambda span: span[1])
    assert all(quiet for quiet, _, _ in spans)
    assert all(first[2] <= second[1] for first, second in pairwise(spans))


def _queue(path: Path, pause: bool, order: Connection, spans: Connection) -> None:  # noqa: FBT001
    """Measure for 5 ms once told to; say whether in quiet, from when, until when."""
    node = QuietNode(path)
    number = order.recv()
    with node.measuring(pause=pause, timeout_s=0.1, settle_s=0) as quiet:
        begun = time.monotonic()
        time.sleep(0.005)
        spans.send((quiet, begun, time.monotonic(), number))


@pytest.mark.parametrize("pause", [True, False])
def test_32_concurrent_lanes_measure_one_after_the_other_in_quiet(
    tmp_path: Path, *, pause: bool
) -> None:
    # the wait for those before is longer than the timeout for trainings: it has no limit
    words, inner = FORK.Pipe(duplex=False)
    pipes = [FORK.Pipe(duplex=False) for _ in range(32)]
    arguments = [(tmp_path / "node", pause, start, inner) for start, _ in pipes]
    children = [FORK.Process(target=_queue, args=each) for each in arguments]
    for child in children:
        child.start()
    for number, (_, go) in enumerate(pipes):
        go.send(number)
    spans = sorted((words.recv() for _ in children), key=lambda span: span[1])
    for child in children:
        child.join(PATIENCE)
    assert all(quiet for quiet, _, _, _ in spans)
    assert all(first[2] <= second[1] for first, second in pairwise(spans))
    assert not list((tmp_path / "node.queue").glob("*/*"))


def test_measurements_run_in_order_of_arrival(tmp_path: Path) -> None:
    path = tmp_path / "node"
    words, inner = FORK.Pipe(duplex=False)
    pipes = [FORK.Pipe(duplex=False) for _ in range(6)]
    children = [FORK.Process(target=_queue, args=(path, True, s, inner)) for s, _ in pipes]
    for child in children:
        child.start()
    with QuietNode(path).measuring(settle_s=0):
        for number, (_, go) in enumerate(pipes):
            go.send(number)
            _until(lambda least=number + 2: len(_tickets(path)) >= least)  # type: ignore[misc]
    spans = sorted((words.recv() for _ in children), key=lambda span: span[1])
    for child in children:
        child.join(PATIENCE)
    assert [number for _, _, _, number in spans] == [0, 1, 2, 3, 4, 5]


def _tickets(path: Path) -> list[Path]:
    return list((path.with_name(f"{path.name}.queue") / "here").glob("[0-9]*"))


def test_a_killed_waiter_does_not_block_later_ones(tmp_path: Path) -> None:
    path = tmp_path / "node"
    start, go = FORK.Pipe(duplex=False)
    _, inner = FORK.Pipe(duplex=False)
    waiter = FORK.Process(target=_queue, args=(path, True, start, inner))
    waiter.start()
    with QuietNode(path).measuring(settle_s=0):
        go.send(0)
        _until(lambda: len(_tickets(path)) == 2)
        waiter.kill()
        waiter.join(PATIENCE)
        assert len(_tickets(path)) == 2
    with QuietNode(path).measuring(settle_s=0) as quiet:
        assert quiet
    assert not _tickets(path)


def test_a_measurement_on_another_device_pauses_no_training(tmp_path: Path) -> None:
    path = tmp_path / "node"
    with _trainings(path, 1) as children, QuietNode(path).measuring(pause=False) as quiet:
        assert quiet
        children[0].wait_for(len(children[0].said) + 5)


def test_a_killed_training_leaves_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "node"
    with _trainings(path, 1) as children:
        pid = children[0].process.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        with QuietNode(path).measuring(timeout_s=PATIENCE, settle_s=0) as quiet:
            assert quiet


def test_trainings_continue_after_a_killed_measurement(tmp_path: Path) -> None:
    path = tmp_path / "node"
    begun, inner = FORK.Pipe(duplex=False)

    def hang() -> None:
        with QuietNode(path).measuring(settle_s=0):
            inner.send("begun")
            time.sleep(PATIENCE)

    measurer = FORK.Process(target=hang)
    measurer.start()
    assert begun.recv() == "begun"
    measurer.kill()
    measurer.join(PATIENCE)
    with QuietNode(path).training():
        pass


def test_the_wait_for_a_step_has_a_timeout(tmp_path: Path) -> None:
    path = tmp_path / "node"
    trainer = QuietNode(path)
    with (
        trainer.training(),
        QuietNode(path).measuring(timeout_s=0.05, settle_s=0) as quiet,
    ):
        assert not quiet
    with QuietNode(path).measuring(timeout_s=0, settle_s=0) as quiet:
        assert quiet


def test_a_process_that_trains_may_measure(tmp_path: Path) -> None:
    path = tmp_path / "node"
    node, other = QuietNode(path), QuietNode(path)
    with node.training():
        with node.measuring(timeout_s=PATIENCE, settle_s=0) as quiet:
            assert quiet
        with other.measuring(timeout_s=0, settle_s=0) as quiet:
            assert not quiet
    with other.measuring(timeout_s=0, settle_s=0) as quiet:
        assert quiet


def test_a_forked_child_holds_none_of_its_parents_locks(tmp_path: Path) -> None:
    path = tmp_path / "node"
    node = QuietNode(path)
    release, inner = FORK.Pipe(duplex=False)
    with node.training():
        child = FORK.Process(target=release.recv)
        child.start()
        node.close()
    try:
        with QuietNode(path).measuring(timeout_s=PATIENCE, settle_s=0) as quiet:
            assert quiet
    finally:
        inner.send("go")
        child.join(PATIENCE)


def test_checking_for_a_measurement_takes_microseconds(tmp_path: Path) -> None:
    node = QuietNode(tmp_path / "node")
    assert node.yield_if_measuring() == 0.0
    with node.training():
        assert node.yield_if_measuring() == 0.0
        with pytest.raises(RuntimeError, match="entered already"), node.training():
            pass


def test_queued_work_ends_before_the_measurement_starts(tmp_path: Path) -> None:
    path, order = tmp_path / "node", list[str]()
    trainer = QuietNode(path)

    def finish() -> None:
        time.sleep(0.1)
        order.append("finished")

    def measure() -> None:
        with QuietNode(path).measuring(timeout_s=PATIENCE, settle_s=0) as quiet:
            order.append(f"measured, {quiet}")

    measurer = threading.Thread(target=measure)
    with trainer.training():
        assert trainer.yield_if_measuring(finish) == 0.0
        measurer.start()
        _until(lambda: trainer.yield_if_measuring(finish) > 0.0)
    measurer.join(PATIENCE)
    assert order == ["finished", "measured, True"]
