"""Classifies the causes of failed trials."""

from __future__ import annotations

import errno
from typing import Literal, TypeAlias

from trainables.io.claim import ClaimLostError
from trainables.session.memory import is_out_of_memory

Blame: TypeAlias = Literal["own", "memory", "storage", "infrastructure"]
"""``own``: the configuration, the code or the data; ``memory``: it does not fit; ``storage``: the
disk is full or read-only; ``infrastructure``: a process, device or network failed."""

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
_BROKEN = frozenset({errno.EIO, errno.ESTALE, errno.ENODEV, errno.ENXIO, errno.EREMOTEIO})
_CLASSES = ("ray.exceptions.", "torch.distributed.", "torch._C._distributed_c10d.")
"""Prefixes of the full names of exceptions that no configuration causes; ``DistBackendError`` and
related ones are in the last two."""
_TEXTS = (
    "uncorrectable ecc",
    "device is lost",
    "device unavailable",
    "cuda error: unknown error",
    "nccl error",
    "nccl communicator was aborted",
    "connection closed by peer",
    "connection reset by peer",
    "connection refused",
    "broken pipe",
    "gloo/transport",
    "timed out waiting",
)
_FULL_TEXTS = ("no space left on device", "disk quota exceeded", "read-only file system")


class BlamedError(RuntimeError):
    """A failure whose cause is known; survives pickling."""

    def __init__(self, message: str, blame: Blame) -> None:
        super().__init__(message, blame)
        self.message = message
        self.blame = blame

    def __str__(self) -> str:
        return self.message


def blame(error: BaseException) -> Blame:
    """Return the cause of ``error``, read from it and from the errors that it was raised from.

    The first cause in that chain other than ``own`` is returned.
    """
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        kind = _blame_of_one(current)
        if kind != "own":
            return kind
        current = current.__cause__ or current.__context__
    return "own"


def _blame_of_one(error: BaseException) -> Blame:
    if isinstance(error, BlamedError):
        return error.blame
    if _is_storage(error):
        return "storage"
    if is_out_of_memory(error):
        return "memory"
    return "infrastructure" if _is_infrastructure(error) else "own"


def _is_storage(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno in _FULL:
        return True
    text = str(error).lower()  # torch and native libraries raise no OSError
    return isinstance(error, RuntimeError | OSError) and any(part in text for part in _FULL_TEXTS)


def _is_infrastructure(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return isinstance(error, ConnectionError) or error.errno in _BROKEN
    if isinstance(error, ClaimLostError):
        return True
    if any(
        f"{kind.__module__}.{kind.__name__}".startswith(_CLASSES) for kind in type(error).__mro__
    ):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(part in text for part in _TEXTS)
