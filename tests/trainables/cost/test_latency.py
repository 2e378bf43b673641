from __future__ import annotations

import gc
import time

import pytest
import torch
from torch import nn

from search_spaces.resolution import Resolution
from trainables.config import TargetConfig
from trainables.cost.latency import measure_latency

SIZE = Resolution(16, 24)


class _Probe(nn.Module):
    """A convolution that remembers how it was called; copies share the memory."""

    def __init__(self, calls: list[dict[str, object]]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.calls = calls

    def __deepcopy__(self, memo: dict[int, object]) -> _Probe:
        return _Probe(self.calls).to(self.conv.weight.dtype)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.calls.append(
            {
                "shape": tuple(images.shape),
                "threads": torch.get_num_threads(),
                "training": self.training,
                "inference": torch.is_inference_mode_enabled(),
                "nhwc": images.is_contiguous(memory_format=torch.channels_last),
                "collecting": gc.isenabled(),
            }
        )
        return self.conv(images)  # type: ignore[no-any-return]


@pytest.mark.parametrize("channels_last", [True, False])
def test_every_pass_runs_with_the_settings_of_the_target(*, channels_last: bool) -> None:
    calls: list[dict[str, object]] = []
    target = TargetConfig(threads=1, warmup=2, repeats=4, rounds=1, batch_size=3)
    measured = measure_latency(_Probe(calls), SIZE, target, channels_last=channels_last)
    assert len(calls) == 2 + measured.repeats
    expected = {
        "shape": (3, 3, 16, 24),
        "threads": 1,
        "training": False,
        "inference": True,
        "nhwc": channels_last,
        "collecting": False,
    }
    assert all(call == expected for call in calls)
    assert (measured.batch_size, measured.threads, measured.rounds) == (3, 1, 1)
    assert measured.channels_last is channels_last
    assert measured.resolution == "16x24"
    assert measured.runtime == f"torch {torch.__version__}"
    assert measured.device


def test_the_figures_are_positive_and_in_order() -> None:
    measured = measure_latency(nn.Conv2d(3, 4, 3), SIZE, TargetConfig(repeats=9, rounds=1))
    assert 0 < measured.latency_p10_ms <= measured.latency_ms <= measured.latency_p90_ms
    assert 0 <= measured.latency_iqr_ms <= measured.latency_p90_ms - measured.latency_p10_ms
    assert measured.precision == "fp32"


def test_half_precision_is_timed_in_half_precision() -> None:
    measured = measure_latency(
        nn.Conv2d(3, 4, 3).half(), SIZE, TargetConfig(repeats=1, warmup=0, rounds=1)
    )
    assert measured.precision == "fp16"
    assert measured.rounds == 1


def test_the_time_budget_bounds_a_measurement_of_long_passes() -> None:
    class Slow(nn.Conv2d):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            time.sleep(0.2)
            return super().forward(images)

    target = TargetConfig(warmup=100, repeats=100, rounds=100, seconds=0.9)
    began = time.perf_counter()
    measured = measure_latency(Slow(3, 4, 3), SIZE, target)
    assert time.perf_counter() - began < 6
    assert not measured.undisturbed
    assert "had a CPU for" in measured.disturbance
    assert measured.estimate == "cpu"


def test_model_threads_and_garbage_collection_are_restored() -> None:
    conv = nn.Conv2d(3, 4, 3)
    model = nn.Sequential(conv, nn.BatchNorm2d(4)).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        measure_latency(model, SIZE, TargetConfig(threads=1, repeats=2, rounds=1))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert gc.isenabled()
    assert model.training
    assert conv.weight.is_contiguous()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_threads_are_restored_when_the_model_fails() -> None:
    threads = torch.get_num_threads()
    with pytest.raises(RuntimeError, match="expected input"):
        measure_latency(nn.Conv2d(5, 4, 3), SIZE, TargetConfig(threads=threads + 1))
    assert torch.get_num_threads() == threads
    assert gc.isenabled()


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_the_error_without_a_gpu_names_a_remedy() -> None:
    with pytest.raises(RuntimeError, match=r"torch-cuda needs a CUDA GPU.*torch-cpu"):
        measure_latency(nn.Conv2d(3, 4, 3), SIZE, TargetConfig(name="torch-cuda"))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_gpu_is_timed_by_its_own_events() -> None:
    target = TargetConfig(name="torch-cuda", repeats=5)
    measured = measure_latency(nn.Conv2d(3, 4, 3), SIZE, target)
    assert measured.latency_ms > 0
    assert measured.device == torch.cuda.get_device_name()
