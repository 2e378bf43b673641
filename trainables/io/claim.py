"""Fencing tokens of trial folders: only the process with the latest token may write."""

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
"""File in a trial's folder with its latest fencing token."""
PATIENCE_SECONDS = 30.0
"""How long a claim waits for a writer that is blocked in the middle of a change, seconds."""
_POLL_SECONDS = 0.02
_BUSY = frozenset({errno.EAGAIN, errno.EACCES})
_LOG = logging.getLogger(__name__)

FencingToken: TypeAlias = "tuple[int, int]"
"""Number of the sweep's driver, then of its assignments of trials, each from 1; later is larger."""


class ClaimLostError(RuntimeError):
    """A trial's folder has a later fencing token, so this process may not write there."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The claim of one process on a trial's folder.

    A process whose driver was killed, or whose node lost its network, may keep running while
    another process resumes its trial. Every change in the folder holds a shared lock on the claim's
    file and compares tokens; ``take`` holds an exclusive lock. Once ``take`` has returned, no
    process with an earlier token changes the folder, however long it was blocked. On a file system
    without locks, a change that is in progress during ``take`` may still be written.

    Source: fencing tokens (M. Kleppmann, How to do distributed locking, 2016).
    """

    folder: Path
    token: FencingToken

    def take(self, patience_s: float = PATIENCE_SECONDS) -> None:
        """Write this token into the folder.

        Raises:
            ClaimLostError: the folder has a later token.
            OSError: the folder cannot be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.folder / CLAIM, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            if not _locked(handle, fcntl.LOCK_EX, patience_s):
                _LOG.warning("%s: a writer is blocked; claimed without its lock", self)
            self._refuse_later(_token_of(handle))
            text = json.dumps({"driver": self.token[0], "turn": self.token[1]}).encode()
            os.pwrite(handle, text, 0)
            os.ftruncate(handle, len(text))
            os.fsync(handle)
        finally:
            os.close(handle)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Context in whose body no other process claims the folder.

        Raises:
            ClaimLostError: the folder has another token, or none.
        """
        try:
            handle = os.open(self.folder / CLAIM, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            raise self._lost("no fencing token") from None
        try:
            _locked(handle, fcntl.LOCK_SH, PATIENCE_SECONDS)
            token = _token_of(handle)
            if token != self.token:
                raise self._lost(f"fencing token {token}")
            yield
        finally:
            os.close(handle)

    def _refuse_later(self, token: FencingToken | None) -> None:
        if token is not None and token > self.token:
            raise self._lost(f"fencing token {token}")

    def _lost(self, token: str) -> ClaimLostError:
        return ClaimLostError(
            f"{self.folder} has {token}, this process has {self.token}: the trial was resumed by "
            "another process"
        )


def latest_driver(trials: Path) -> int:
    """Return the largest number of a driver that claimed a folder in ``trials``; 0 without any."""
    latest = 0
    for path in trials.glob(f"*/{CLAIM}"):
        with suppress(OSError):
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                latest = max(latest, (_token_of(handle) or (0, 0))[0])
            finally:
                os.close(handle)
    return latest


_current: ContextVar[Claim | None] = ContextVar("claim", default=None)


@contextmanager
def writing_under(claim: Claim | None) -> Iterator[None]:
    """Context in whose body changes below the claim's folder require ``claim`` to be the latest."""
    before = _current.set(claim)
    try:
        yield
    finally:
        _current.reset(before)


@contextmanager
def changing(path: Path) -> Iterator[None]:
    """Context around a change at ``path``; raises where the claim on its folder was lost.

    Raises:
        ClaimLostError: the folder has another token than the claim of ``writing_under``.
    """
    claim = _current.get()
    if claim is None or claim.folder not in (path, *path.parents):
        yield
        return
    with claim.held():
        yield


def _token_of(handle: int) -> FencingToken | None:
    """Return the token in a claim's file; None where it is empty or was written in part."""
    with suppress(ValueError, KeyError, TypeError):
        content = json.loads(os.pread(handle, 200, 0))
        return int(content["driver"]), int(content["turn"])
    return None


def _locked(handle: int, kind: int, patience_s: float) -> bool:
    """Lock a file in time; also True where the file system has no locks."""
    end = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in _BUSY:
                return True  # without locks, changes still compare tokens
            if time.monotonic() >= end:
                return False
            time.sleep(_POLL_SECONDS)
        else:
            return True
