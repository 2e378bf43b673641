"""Latency measurements of one node, first in, first out, while its trainings pause."""

from __future__ import annotations

import fcntl
import math
import os
import tempfile
import threading
import time
import weakref
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

POLL_SECONDS = 0.02


def quiet_path() -> Path:
    """Return the lock file that all sweeps and commands on one node share."""
    return Path(tempfile.gettempdir()) / "segsweep" / "quiet"


class QuietNode:
    """One process's handle on the lock; all processes of a node give the same ``path``.

    Files are locked with ``flock``, so the locks of a dead process are released at once. Trainings
    share the lock of ``path``; a measurement holds it exclusively. ``path.gate`` is locked before
    ``path``: a measurement holds the gate until it is done, and trainings check the gate between
    two steps and pause. Hence a measurement never starves.

    Measurements take tickets in ``path.queue`` and run one at a time in order of arrival. A
    measurement waits without a limit for earlier ones, which have time budgets. It waits for
    trainings up to a timeout; then it runs beside them and reports so.

    Of a trial with several ranks, only rank 0 locks, always between two steps: the other ranks wait
    in their next collective. Call ``yield_if_measuring`` right before a step's first collective;
    then they pause within milliseconds. No rank waits for a lock inside a collective that another
    rank waits in, so trials on several nodes cannot deadlock.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._node = _open(path)
        self._gate = _open(path.with_name(f"{path.name}.gate"))
        self._elsewhere = _open(path.with_name(f"{path.name}.elsewhere"))
        self._queue = path.with_name(f"{path.name}.queue")
        self._tickets: set[int] = set()
        self._training = False
        _handles.add(self)

    @contextmanager
    def training(self) -> Iterator[None]:
        """Mark this process as training; waits first while a measurement runs."""
        if self._training:
            raise RuntimeError("training() is entered already; leave it before entering it again")
        self._join()
        try:
            yield
        finally:
            self._leave()

    def yield_if_measuring(self, finish: Callable[[], None] | None = None) -> float:
        """Pause while a measurement runs; return the seconds paused, 0.0 usually.

        Takes a few microseconds without a measurement. Outside of ``training`` it does nothing.
        ``finish`` is called right before a pause; it waits for this process's work on a device.
        """
        if not self._training or _try(self._gate, fcntl.LOCK_SH):
            if self._training:
                fcntl.flock(self._gate, fcntl.LOCK_UN)
            return 0.0
        start = time.monotonic()
        if finish is not None:
            finish()
        self._leave()
        self._join()
        return time.monotonic() - start

    @contextmanager
    def measuring(
        self, *, pause: bool = True, timeout_s: float = 120.0, settle_s: float = 0.1
    ) -> Iterator[bool]:
        """Pause every training of the node; yields whether all of them paused.

        Measurements run one at a time, first in, first out. If this process trains (``training``),
        it counts as paused.

        Args:
            pause: Pause the trainings. False where the measurement runs on another device, such as
                a phone: then such measurements wait for each other only.
            timeout_s: Longest wait for the current steps to end, seconds, >= 0; after it the body
                runs with False.
            settle_s: Delay after the last training paused, in which other ranks than 0 reach their
                next collective, seconds, >= 0.
        """
        with self._ticket("here" if pause else "elsewhere"):
            if not pause:
                with _exclusive(self._elsewhere):
                    yield True
                return
            resume = self._training
            if resume:
                self._leave()
            try:
                with _exclusive(self._gate):
                    quiet = _lock_until(self._node, time.monotonic() + timeout_s)
                    if quiet:
                        time.sleep(settle_s)
                    try:
                        yield quiet
                    finally:
                        fcntl.flock(self._node, fcntl.LOCK_UN)
            finally:
                if resume:
                    self._join()

    @contextmanager
    def _ticket(self, queue: str) -> Iterator[None]:
        """Wait until every earlier ticket of ``queue`` is returned or its process is dead."""
        folder = self._queue / queue
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{time.monotonic_ns():020d}-{os.getpid()}-{threading.get_ident()}"
        hidden, ticket = folder / f".{name}", folder / name
        descriptor = _open(hidden)
        self._tickets.add(descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            hidden.rename(ticket)  # visible once locked: an unlocked ticket has no live process
            while _is_preceded(folder, name):
                time.sleep(POLL_SECONDS)
            yield
        finally:
            for path in (hidden, ticket):
                path.unlink(missing_ok=True)
            self._tickets.discard(descriptor)
            os.close(descriptor)

    def close(self) -> None:
        """Release all locks; the handle cannot be used afterwards."""
        for descriptor in (self._node, self._gate, self._elsewhere, *self._tickets):
            if descriptor >= 0:
                os.close(descriptor)
        self._node = self._gate = self._elsewhere = -1
        self._tickets.clear()
        self._training = False

    def _join(self) -> None:
        fcntl.flock(self._gate, fcntl.LOCK_SH)
        fcntl.flock(self._node, fcntl.LOCK_SH)
        fcntl.flock(self._gate, fcntl.LOCK_UN)
        self._training = True

    def _leave(self) -> None:
        self._training = False
        if self._node >= 0:
            fcntl.flock(self._node, fcntl.LOCK_UN)


_handles: weakref.WeakSet[QuietNode] = weakref.WeakSet()


def _close_all() -> None:
    """Close the inherited handles in a forked child, else it holds its dead parent's locks."""
    for handle in list(_handles):
        handle.close()


os.register_at_fork(after_in_child=_close_all)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)


@contextmanager
def _exclusive(descriptor: int) -> Iterator[None]:
    _lock_until(descriptor, math.inf)
    try:
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def _is_preceded(folder: Path, name: str) -> bool:
    """Whether a live process holds an earlier ticket; tickets of dead ones are removed."""
    for earlier in sorted(folder.glob("[0-9]*")):
        if earlier.name >= name:
            return False
        try:
            descriptor = os.open(earlier, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            if not _try(descriptor, fcntl.LOCK_SH):
                return True
            earlier.unlink(missing_ok=True)
        finally:
            os.close(descriptor)
    return False


def _try(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lock_until(descriptor: int, deadline: float) -> bool:
    """Take ``descriptor`` exclusively; False where ``deadline`` (monotonic seconds) passed."""
    while not _try(descriptor, fcntl.LOCK_EX):
        if not time.monotonic() < deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True
