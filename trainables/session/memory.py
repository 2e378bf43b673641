"""Micro-batches: gradient accumulation in as few parts as fit into memory."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, TypeVar

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_MESSAGES = (
    "can't allocate memory",
    "ALLOC_FAILED",
    "out of memory",
    "unable to find an engine",  # cuDNN: every algorithm needs more workspace than is free
)


class DoesNotFitError(RuntimeError):
    """Not even a micro-batch of one image fits into memory."""


class MicroBatches:
    """Number of micro-batches of a batch; it doubles when memory runs out, and never falls."""

    def __init__(self, parts: int = 1) -> None:
        """Start with ``parts`` >= 1."""
        self.parts = parts

    def run(self, attempt: Callable[[int], T], *, size: int) -> T:
        """Return ``attempt(parts)`` with the first number of parts that fits into memory.

        Args:
            attempt: Computes a whole batch in so many parts; raises torch's error when memory runs
                out.
            size: Images in the batch, >= 1; no part is smaller than one image.

        Raises:
            DoesNotFitError: parts of one image do not fit.
        """
        while True:
            try:
                return attempt(min(self.parts, size))
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                reason = str(error).split("\n", 1)[0]
            # Outside the handler: the error's traceback would keep the attempt's tensors.
            if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
                release_memory()
            if self.parts >= size:
                raise DoesNotFitError(f"out of memory at a micro-batch of 1 image: {reason}")
            self.parts = min(self.parts * 2, size)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory of the host or of a device ran out."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _MESSAGES)


def release_memory() -> None:
    """Free unreferenced memory on the host and on the device."""
    gc.collect()
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.empty_cache()
