"""Runs export jobs in processes of their own."""

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
"""Longest delay before a request to stop is seen."""
_LOG_TAIL_BYTES = 300


@dataclass(frozen=True, slots=True)
class JobResult:
    """Result of one job."""

    figures: dict[str, float]
    """Measured figures."""
    error: str | None = None
    """Why the job failed; None if it succeeded."""


_STOPPED = JobResult({}, "it was stopped")
_Report: TypeAlias = "tuple[int, str | JobResult]"
"""Index of a job with the artifact that was started, or with the job's result."""


def run_jobs(
    jobs: Sequence[Job],
    *,
    processes: int,
    on_start: Callable[[int, str], None] = lambda *_: None,
    stop_requested: Callable[[], bool] = lambda: False,
) -> dict[int, JobResult]:
    """Return the result of each job by its index; jobs not finished before a stop are absent.

    Jobs start in order. The processes ignore Ctrl-C. They are killed at a stop, or when this
    function raises.

    Args:
        jobs: Jobs to run.
        processes: Processes at the same time, >= 1; each keeps its libraries loaded.
        on_start: Receives a job's index and the started artifact, in this thread.
        stop_requested: Polled for a request to stop.
    """
    count = min(processes, len(jobs))
    threads_each = max(1, (os.cpu_count() or 1) // max(1, count))
    with tempfile.TemporaryFile() as log:
        workers = [_Worker(log, threads_each) for _ in range(count)]
        pending: queue.SimpleQueue[int] = queue.SimpleQueue()
        reports: queue.SimpleQueue[_Report] = queue.SimpleQueue()
        for index in range(len(jobs)):
            pending.put(index)
        threads = [
            threading.Thread(target=_feed, args=(worker, jobs, pending, reports), daemon=True)
            for worker in workers
        ]
        results: dict[int, JobResult] = {}
        try:
            for thread in threads:
                thread.start()
            while len(results) < len(jobs) and not stop_requested():
                with suppress(queue.Empty):
                    index, report = reports.get(timeout=_POLL_SECONDS)
                    if isinstance(report, JobResult):
                        results[index] = report
                    else:
                        on_start(index, report)
            return results
        finally:
            for worker, thread in zip(workers, threads, strict=True):
                worker.kill()
                thread.join()
                worker.close_pipes()


def _feed(
    worker: _Worker,
    jobs: Sequence[Job],
    pending: queue.SimpleQueue[int],
    reports: queue.SimpleQueue[_Report],
) -> None:
    """Run pending jobs on ``worker`` until none remains or the worker is killed."""
    while not worker.killed.is_set():
        try:
            index = pending.get_nowait()
        except queue.Empty:
            return
        result = worker.run(jobs[index], lambda artifact, i=index: reports.put((i, artifact)))  # type: ignore[misc]
        reports.put((index, result))


class _Worker:
    """One process, restarted after a job that killed it."""

    def __init__(self, log: BinaryIO | Any, threads: int) -> None:  # noqa: ANN401 - a wrapper of it
        self._log = log
        self._environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "OMP_NUM_THREADS": str(threads),
        }
        self._lock = threading.Lock()
        self.killed = threading.Event()
        """Set once the process is killed for good."""
        self._process = self._start()

    def run(self, job: Job, on_start: Callable[[str], None]) -> JobResult:
        """Run one job and return its result."""
        with self._lock:
            if self.killed.is_set():
                return _STOPPED
            if self._process.poll() is not None:
                self.close_pipes()
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
                    on_start(str(answer["begin"]))
                elif "error" in answer:
                    return JobResult({}, str(answer["error"]))
                else:
                    return JobResult(dict(answer["done"]))
        except (OSError, ValueError):
            pass  # the process died; its exit code and log are reported below
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=5)
        if self.killed.is_set():
            return _STOPPED
        return JobResult({}, f"the process exited with {process.returncode}: {self._log_tail()}")

    def kill(self) -> None:
        """Kill the process; no further job runs."""
        with self._lock:
            self.killed.set()
            self._process.kill()
            self._process.wait()

    def close_pipes(self) -> None:
        """Close the pipes of a process that has exited, when no thread reads from them."""
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

    def _log_tail(self) -> str:
        self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, self._log.tell() - _LOG_TAIL_BYTES))
        text = self._log.read().decode(errors="replace")
        return " ".join(text.split()) or "its log is empty"
