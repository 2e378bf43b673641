"""Peak memory of a phase of work."""

from __future__ import annotations

import ctypes
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self, TypeAlias

import psutil
import torch

if TYPE_CHECKING:
    from types import TracebackType

MemoryMethod: TypeAlias = Literal["cuda-allocated", "rss-high-water-mark", "rss-sampled"]
"""Source of the figure: PyTorch's allocator on the GPU, the kernel's high-water mark of the
process's resident size, or samples of that size, which can miss a short peak."""

MB = 1e6
SAMPLE_SECONDS = 0.02
"""Time between two samples of the resident size, s."""
CLEAR_REFS = Path("/proc/self/clear_refs")
STATUS = Path("/proc/self/status")
RESET_HIGH_WATER_MARK = "5"
"""Value that resets the mark when written to ``CLEAR_REFS``, see proc_pid_clear_refs(5)."""


class PeakMemory:
    """Context whose ``mb`` is the peak memory of its body.

    On a GPU this is the peak of PyTorch's allocations on the device. On the CPU it is the rise of
    the process's resident size over its value at the start. Memory freed by earlier trials is
    returned to the system first, else the body would reuse it uncounted. Bodies of one process must
    not overlap: the marks belong to the device or the process.

    Attributes:
        mb: Peak, megabytes of 1e6 bytes, >= 0; None until the body has ended.
        reserved_mb: Peak that PyTorch's allocator reserved on the GPU, fragmentation and cache
            included, megabytes, >= ``mb``; None on the CPU and until the body has ended.
        method: Source of the figure.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.mb: float | None = None
        self.reserved_mb: float | None = None
        self.method: MemoryMethod = "cuda-allocated"
        self._start = 0
        self._sampler: _RssSampler | None = None

    def __enter__(self) -> Self:
        """Reset the mark."""
        self.mb = self.reserved_mb = None
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
            return self
        _return_free_memory()
        self._start = _rss()
        if _reset_high_water_mark():
            self.method = "rss-high-water-mark"
        else:
            self.method = "rss-sampled"
            self._sampler = _RssSampler()
            self._sampler.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Read the mark."""
        if self.device.type == "cuda":
            peak = torch.cuda.max_memory_allocated(self.device)
            self.reserved_mb = torch.cuda.max_memory_reserved(self.device) / MB
        elif self._sampler is not None:
            peak = self._sampler.stop()
            self._sampler = None
        else:
            peak = _high_water_mark()
        self.mb = max(0, peak - self._start) / MB


class _RssSampler(threading.Thread):
    """Thread that samples the resident size and keeps the maximum."""

    def __init__(self) -> None:
        super().__init__(name="rss-sampler", daemon=True)
        self._end = threading.Event()
        self._peak = 0

    def run(self) -> None:
        while not self._end.wait(SAMPLE_SECONDS):
            self._peak = max(self._peak, _rss())

    def stop(self) -> int:
        """Stop the thread and return the peak, bytes."""
        self._end.set()
        self.join()
        return max(self._peak, _rss())


def _rss() -> int:
    """Return the resident size of this process, bytes."""
    return int(psutil.Process(os.getpid()).memory_info().rss)


def _reset_high_water_mark() -> bool:
    """Reset the kernel's mark to the current size; whether the kernel allows it."""
    try:
        CLEAR_REFS.write_text(RESET_HIGH_WATER_MARK, encoding="ascii")
        marked = _high_water_mark()
    except (OSError, ValueError):
        return False
    return marked > 0


def _high_water_mark() -> int:
    """Return the largest resident size since the mark was reset, bytes.

    Source: ``VmHWM`` in proc_pid_status(5).
    """
    for line in STATUS.read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def _return_free_memory() -> None:
    """Return free memory to the system, where the C library can (glibc)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
