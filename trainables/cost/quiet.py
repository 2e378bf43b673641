"""A node-wide lock that keeps our trainings still while a latency is measured."""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
import weakref
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

POLL_SECONDS = 0.02


def quiet_path() -> Path:
    """Return the file at which everything of ours on one node meets to measure in quiet."""
    return Path(tempfile.gettempdir()) / "segsweep" / "quiet"


class QuietNode:
    """One process's handle on the lock; all processes of a node give the same ``path``.

    Two files are locked with ``flock``, so whatever a dead process held is free at once. ``path``
    is shared by every training, and exclusive to a measurement. ``path.gate`` comes before it:
    a measurement holds the gate from the moment it wants the node until it is done, which
    trainings see between two steps and step back; hence it never starves.

    With several ranks a trial, only rank 0 takes part, always between two steps: the other ranks
    are held by their next collective, so no rank ever stands still inside one that another rank
    waits in. Ask right before a step's first collective (``should_stop``), then the others stand
    still within milliseconds. Where trials span nodes, two measurements on two nodes could wait for
    each other; a measurement therefore gives up waiting after a time and says that it did.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._node = _open(path)
        self._gate = _open(path.with_name(f"{path.name}.gate"))
        self._training = False
        _handles.add(self)

    @contextmanager
    def training(self) -> Iterator[None]:
        """Announce that this process computes; waits first while anyone measures."""
        if self._training:
            raise RuntimeError("training() is entered already; leave it before entering it again")
        self._join()
        try:
            yield
        finally:
            self._leave()

    def yield_if_measuring(self) -> float:
        """Stand back while anyone measures; return the seconds stood still, 0.0 usually.

        Costs a few microseconds where nobody measures. Outside of ``training`` it does nothing.
        """
        if not self._training or _try(self._gate, fcntl.LOCK_SH):
            if self._training:
                fcntl.flock(self._gate, fcntl.LOCK_UN)
            return 0.0
        start = time.monotonic()
        self._leave()
        self._join()
        return time.monotonic() - start

    @contextmanager
    def measuring(self, *, timeout_s: float = 120.0, settle_s: float = 0.1) -> Iterator[bool]:
        """Hold every training of the node still; yields whether that was reached.

        Measurements of the node run one after the other. If this process trains (``training``), it
        counts as still inside.

        Args:
            timeout_s: Longest wait for measurements under way and steps to end, seconds, >= 0;
                after it the body runs all the same, with False.
            settle_s: Pause after the last training stood back, in which ranks that do not take
                part reach their next collective, seconds, >= 0.
        """
        resume = self._training
        if resume:
            self._leave()
        deadline = time.monotonic() + timeout_s
        try:
            quiet = _lock_until(self._gate, deadline) and _lock_until(self._node, deadline)
            if quiet:
                time.sleep(settle_s)
            yield quiet
        finally:
            fcntl.flock(self._node, fcntl.LOCK_UN)
            fcntl.flock(self._gate, fcntl.LOCK_UN)
            if resume:
                self._join()

    def close(self) -> None:
        """Let go of everything; the handle is of no use afterwards."""
        for descriptor in (self._node, self._gate):
            if descriptor >= 0:
                os.close(descriptor)
        self._node = self._gate = -1
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
    """Drop what a forked child inherited, lest it hold its dead parent's locks."""
    for handle in list(_handles):
        handle.close()


os.register_at_fork(after_in_child=_close_all)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)


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
