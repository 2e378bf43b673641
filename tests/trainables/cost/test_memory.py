from __future__ import annotations

import ctypes
import mmap
import sys

import pytest
import torch

from trainables.cost.memory import PeakMemory, _RssSampler

CPU = torch.device("cpu")
MB = 1_000_000


def _touch(megabytes: int) -> None:
    """Take memory from the system, write to all of it, give it back."""
    with mmap.mmap(-1, megabytes * MB) as block:
        for start in range(0, megabytes * MB, mmap.PAGESIZE):
            block[start] = 1


def test_a_short_peak_is_measured() -> None:
    with PeakMemory(CPU) as peak:
        _touch(64)
    assert peak.mb == pytest.approx(64, abs=8)
    assert peak.reserved_mb is None  # known of GPUs alone


def test_each_body_counts_its_own_peak_only() -> None:
    with PeakMemory(CPU) as large:
        _touch(96)
    with PeakMemory(CPU) as small:
        _touch(16)
    assert large.mb is not None
    assert small.mb == pytest.approx(16, abs=8)
    assert large.mb > 80


def test_tensors_of_an_earlier_body_are_not_used_again_uncounted() -> None:
    for _ in range(2):
        with PeakMemory(CPU) as peak:
            tensors = [torch.ones(250_000) for _ in range(40)]
        del tensors
        assert peak.mb == pytest.approx(40, abs=8)


def test_a_body_without_allocations_counts_nothing() -> None:
    with PeakMemory(CPU) as peak:
        pass
    assert peak.mb == pytest.approx(0, abs=1)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_the_high_water_mark_of_the_kernel_is_read() -> None:
    with PeakMemory(CPU) as peak:
        assert peak.mb is None
    assert peak.method in ("rss-high-water-mark", "rss-sampled")


def test_the_sampler_sees_memory_that_is_held_for_a_while() -> None:
    sampler = _RssSampler()
    sampler.start()
    before = sampler.stop()
    sampler = _RssSampler()
    block = ctypes.create_string_buffer(48 * MB)
    ctypes.memset(block, 1, 48 * MB)
    sampler.start()
    assert sampler.stop() - before == pytest.approx(48 * MB, abs=8 * MB)


def test_a_body_that_raises_is_counted_too() -> None:
    peak = PeakMemory(CPU)

    def fail() -> None:
        with peak:
            _touch(32)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert peak.mb == pytest.approx(32, abs=8)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_gpus_allocator_is_read() -> None:
    with PeakMemory(torch.device("cuda")) as peak:
        torch.ones(10 * MB, device="cuda")
    assert peak.method == "cuda-allocated"
    assert peak.mb is not None
    assert peak.mb >= 40
