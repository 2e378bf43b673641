"""Processes that write artifacts."""

from __future__ import annotations

import json
import os
import pickle
import queue
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from trainables.export.jobs import Job

MODULE = "trainables.export.worker"
_POLL_SECONDS = 0.2
_TAIL = 300


@dataclass(frozen=True, slots=True)
class JobDone:
    """How a job ended."""

    figures: dict[str, float]
    """What it measured."""
    error: str | None = None
    """Why it failed; None where it did not."""


_STOPPED = JobDone({}, "it was stopped")
Told: TypeAlias = "tuple[int, str | JobDone]"
"""The place of a job, with what of it is begun or how it ended."""


def run_jobs(
    jobs: Sequence[Job],
    *,
    processes: int,
    begin: Callable[[int, str], None] = lambda *_: None,
    stop_requested: Callable[[], bool] = lambda: False,
) -> dict[int, JobDone]:
    """Return how each job ended, by its place in ``jobs``; those not done before a stop are absent.

    Jobs are begun in their order. The processes hear no Ctrl-C; at a stop, or when this function
    raises, they are killed.

    Args:
        jobs: What to do.
        processes: Processes at the same time, >= 1; each keeps its libraries loaded.
        begin: Told the place of a job, and what of it is begun; called in this thread.
        stop_requested: Asked often whether to end early.
    """
    count = min(processes, len(jobs))
    threads = max(1, (os.cpu_count() or 1) // max(1, count))
    with tempfile.TemporaryFile() as log:
        workers = [_Worker(log, threads) for _ in range(count)]
        waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
        told: queue.SimpleQueue[Told] = queue.SimpleQueue()
        for place in range(len(jobs)):
            waiting.put(place)
        servants = [
            threading.Thread(target=_serve, args=(worker, jobs, waiting, told), daemon=True)
            for worker in workers
        ]
        try:
            for servant in servants:
                servant.start()
            return _listen(len(jobs), told, begin, stop_requested)
        finally:
            for worker, servant in zip(workers, servants, strict=True):
                worker.kill()
                servant.join()
                worker.close()


def _listen(
    count: int,
    told: queue.SimpleQueue[Told],
    begin: Callable[[int, str], None],
    stop_requested: Callable[[], bool],
) -> dict[int, JobDone]:
    done: dict[int, JobDone] = {}
    while len(done) < count and not stop_requested():
        with suppress(queue.Empty):
            place, what = told.get(timeout=_POLL_SECONDS)
            if isinstance(what, JobDone):
                done[place] = what
            else:
                begin(place, what)
    return done


def _serve(
    worker: _Worker,
    jobs: Sequence[Job],
    waiting: queue.SimpleQueue[int],
    told: queue.SimpleQueue[Told],
) -> None:
    """Hand jobs to ``worker`` until none is left, or it was killed."""
    while not worker.killed():
        try:
            place = waiting.get_nowait()
        except queue.Empty:
            return
        done = worker.do(jobs[place], lambda what, at=place: told.put((at, what)))  # type: ignore[misc]
        told.put((place, done))


class _Worker:
    """One process, started anew where a job took it down."""

    def __init__(self, log: BinaryIO | Any, threads: int) -> None:  # noqa: ANN401
        self._log = log
        self._environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "OMP_NUM_THREADS": str(threads),
        }
        self._lock = threading.Lock()
        self._killed = threading.Event()
        self._process = self._start()

    def killed(self) -> bool:
        """Return whether the process was ended for good."""
        return self._killed.is_set()

    def do(self, job: Job, begin: Callable[[str], None]) -> JobDone:
        """Return how the job ended."""
        with self._lock:
            if self._killed.is_set():
                return _STOPPED
            if self._process.poll() is not None:
                self.close()
                self._process = self._start()
            process = self._process
        assert process.stdin is not None  # noqa: S101 - opened with a pipe
        assert process.stdout is not None  # noqa: S101
        try:
            pickle.dump(job, process.stdin)
            process.stdin.flush()
            for line in process.stdout:
                answer = json.loads(line)
                if "begin" in answer:
                    begin(str(answer["begin"]))
                elif "error" in answer:
                    return JobDone({}, str(answer["error"]))
                else:
                    return JobDone(dict(answer["done"]))
        except (OSError, ValueError):
            pass  # it died; what it said last tells why
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=5)
        if self._killed.is_set():
            return _STOPPED
        return JobDone({}, f"the process ended with {process.returncode}: {self._last_words()}")

    def kill(self) -> None:
        """End the process at once."""
        with self._lock:
            self._killed.set()
            self._process.kill()
            self._process.wait()

    def close(self) -> None:
        """Free the pipes of a process that has ended, when nobody reads from them any more."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=self._environment,
            start_new_session=True,
        )

    def _last_words(self) -> str:
        self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, self._log.tell() - _TAIL))
        text = self._log.read().decode(errors="replace")
        return " ".join(text.split()) or "it said nothing"
