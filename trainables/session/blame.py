"""Classifies the causes of failed trials."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Literal, TypeAlias

from trainables.io.claim import ClaimLostError
from trainables.session.memory import is_out_of_memory

if TYPE_CHECKING:
    from collections.abc import Iterator

Blame: TypeAlias = Literal["own", "memory", "storage", "infrastructure"]
"""``own``: the configuration, the code or the data; ``memory``: it does not fit; ``storage``: the
disk is full or read-only; ``infrastructure``: a process, device or network failed."""

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
_BROKEN = frozenset({errno.EIO, errno.ESTALE, errno.ENODEV, errno.ENXIO, errno.EREMOTEIO})
_CLASSES = ("ray.exceptions.", "torch.distributed.", "torch._C._distributed_c10d.")
"""Prefixes of the full names of exceptions that no configuration causes; ``DistBackendError`` and
related ones are in the last two."""
_DEVICE_TEXTS = (
    "uncorrectable ecc",
    "uncorrectable nvlink error",
    "invalid access of peer gpu memory over nvlink or a hardware error",
    "device is lost",
    "gpu is lost",
    "device unavailable",
    "device(s) is/are busy or unavailable",
    "no cuda-capable device is detected",
    "an illegal memory access was encountered",
    "an illegal instruction was encountered",
    "misaligned address",
    "invalid program counter",
    "hardware stack error",
    "operation not supported on global/shared address space",
    "tensor memory not completely freed",
    "device-side assert triggered",
    "unspecified launch failure",
    "the launch timed out and was terminated",
    "context is destroyed",
    "external entity outside of cuda",
    "the mps client has been terminated",
    "cuda error: unknown error",
    "cublas_status_not_initialized",
    "cublas_status_execution_failed",
    "cudnn_status_not_initialized",
    "cudnn_status_execution_failed",
)
"""Parts of the messages of errors after which every call of CUDA in the process fails.

Source: ``cudaGetErrorString`` of CUDA 13.2 for the errors whose documentation requires that the
process ends; the statuses of cuBLAS and cuDNN for a missing context and a kernel that failed.
"""
_TEXTS = (
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
    kinds = (_blame_of_one(current) for current in _chain(error))
    return next((kind for kind in kinds if kind != "own"), "own")


def is_device_fault(error: BaseException) -> bool:
    """Whether this process cannot use its device any more; CUDA calls it a sticky error.

    Then even freeing memory of the device fails. The process must end; another one may be able to
    use the device.
    """
    return any(_contains(current, _DEVICE_TEXTS) for current in _chain(error))


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield ``error`` and the errors that it was raised from."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


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
    return _contains(error, _TEXTS + _DEVICE_TEXTS)


def _contains(error: BaseException, texts: tuple[str, ...]) -> bool:
    """Whether it is a ``RuntimeError``, as torch's are, whose message has one of ``texts``."""
    message = str(error).lower()
    return isinstance(error, RuntimeError) and any(text in message for text in texts)
