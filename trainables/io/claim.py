"""Which of several processes may write into a trial's folder: the one that claimed it last."""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import time
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CLAIM = "claim.json"
"""File in a trial's folder that says whose it is."""
PATIENCE_SECONDS = 30.0
"""How long a claim waits for a writer that stands still in the middle of renaming a file."""
_POLL_SECONDS = 0.02
_BUSY = frozenset({errno.EAGAIN, errno.EACCES})
_LOG = logging.getLogger(__name__)

Turn: TypeAlias = "tuple[int, int]"
"""Number of the sweep's driver, then of its hand-outs of trials, each from 1; later is larger."""


class ClaimLostError(RuntimeError):
    """A trial's folder belongs to a later turn, so this process may write there no more."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One turn at a trial's folder.

    A process whose driver was killed, or whose machine was cut off, may live on while another one
    goes on with its trial. Every change in the folder holds the claim's file locked and looks whose
    turn it is; taking the turn locks it alone. So once ``take`` has returned, whatever had an
    earlier turn changes nothing there, however long it stood still. Where the file system has no
    locks, a change that is under way while the turn is taken may still come through.

    Source: fencing tokens (M. Kleppmann, How to do distributed locking, 2016).
    """

    folder: Path
    turn: Turn

    def take(self, patience_s: float = PATIENCE_SECONDS) -> None:
        """Make the folder this turn's.

        Raises:
            ClaimLostError: a later turn has it.
            OSError: the folder cannot be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.folder / CLAIM, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            if not _locked(handle, fcntl.LOCK_EX, patience_s):
                _LOG.warning("%s: a writer stands still; its turn is taken all the same", self)
            self._refuse_later(_turn_of(handle))
            text = json.dumps({"driver": self.turn[0], "turn": self.turn[1]}).encode()
            os.pwrite(handle, text, 0)
            os.ftruncate(handle, len(text))
            os.fsync(handle)
        finally:
            os.close(handle)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Context in whose body nobody else takes the folder.

        Raises:
            ClaimLostError: somebody else has it.
        """
        try:
            handle = os.open(self.folder / CLAIM, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            raise self._lost("nobody's") from None
        try:
            _locked(handle, fcntl.LOCK_SH, PATIENCE_SECONDS)
            found = _turn_of(handle)
            if found != self.turn:
                raise self._lost(f"that of turn {found}")
            yield
        finally:
            os.close(handle)

    def _refuse_later(self, found: Turn | None) -> None:
        if found is not None and found > self.turn:
            raise self._lost(f"that of turn {found}")

    def _lost(self, whose: str) -> ClaimLostError:
        return ClaimLostError(
            f"{self.folder} is {whose}, not that of turn {self.turn} any more: the trial goes on "
            "elsewhere"
        )


def latest_driver(trials: Path) -> int:
    """Return the largest number of a driver that claimed a folder in ``trials``; 0 without any."""
    found = 0
    for path in trials.glob(f"*/{CLAIM}"):
        with suppress(OSError):
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                found = max(found, (_turn_of(handle) or (0, 0))[0])
            finally:
                os.close(handle)
    return found


_current: ContextVar[Claim | None] = ContextVar("claim", default=None)


@contextmanager
def writing_under(claim: Claim | None) -> Iterator[None]:
    """Context in whose body files below the claim's folder change under ``claim`` alone."""
    token = _current.set(claim)
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def changing(path: Path) -> Iterator[None]:
    """Context around a change at ``path``, which is refused where its folder is another's.

    Raises:
        ClaimLostError: this process writes under a claim on the folder, and somebody else has it.
    """
    claim = _current.get()
    if claim is None or claim.folder not in (path, *path.parents):
        yield
        return
    with claim.held():
        yield


def _turn_of(handle: int) -> Turn | None:
    """Return whose turn the file says it is; None where it says nothing, or half of it."""
    with suppress(ValueError, KeyError, TypeError):
        found = json.loads(os.pread(handle, 200, 0))
        return int(found["driver"]), int(found["turn"])
    return None


def _locked(handle: int, kind: int, patience_s: float) -> bool:
    """Lock a file in time; whether that was done, or cannot be done on this file system."""
    end = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in _BUSY:
                return True  # no locks here: whoever changes something still looks whose turn it is
            if time.monotonic() >= end:
                return False
            time.sleep(_POLL_SECONDS)
        else:
            return True
