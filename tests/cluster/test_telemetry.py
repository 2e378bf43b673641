from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from itertools import pairwise
from types import SimpleNamespace

import pynvml
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster import telemetry
from cluster.telemetry import (
    EnergyMeter,
    GpuReading,
    list_gpus,
    unavailable_reason,
    visible_gpus,
)


def _driver() -> bool:
    return unavailable_reason() is None


@dataclass
class _Node:
    """A node's GPUs as the management library shows them: watts by uuid, a clock that is set."""

    watts: dict[str, float]
    counts_energy: bool = True
    measures_power: bool = True
    now: float = 0.0
    used: float = 0.0
    sessions: int = 0
    NVMLError: type[Exception] = field(default=pynvml.NVMLError)
    NVML_TEMPERATURE_GPU: int = pynvml.NVML_TEMPERATURE_GPU

    def clock(self) -> float:
        return self.now

    def nvmlInit(self) -> None:  # noqa: N802
        self.sessions += 1

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.sessions -= 1

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return len(self.watts)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> str:  # noqa: N802
        return list(self.watts)[index]

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:  # noqa: N802
        if uuid not in self.watts:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return uuid

    def nvmlDeviceGetTotalEnergyConsumption(self, gpu: str) -> int:  # noqa: N802
        if not self.counts_energy:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return 10**9 + round(self.watts[gpu] * self.now * 1000)

    def nvmlDeviceGetPowerUsage(self, gpu: str) -> int:  # noqa: N802
        if not self.measures_power:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return round(self.watts[gpu] * 1000)

    def nvmlDeviceGetUUID(self, gpu: str) -> str:  # noqa: N802
        return gpu

    def nvmlDeviceGetName(self, gpu: str) -> str:  # noqa: N802
        return f"card {gpu}"

    def nvmlDeviceGetMemoryInfo(self, _gpu: str) -> SimpleNamespace:  # noqa: N802
        return SimpleNamespace(total=8e9, used=1.5e9)

    def nvmlDeviceGetUtilizationRates(self, _gpu: str) -> SimpleNamespace:  # noqa: N802
        raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)

    def nvmlDeviceGetTemperature(self, _gpu: str, _sensor: int) -> int:  # noqa: N802
        return 61


def test_a_gpu_is_read_with_none_for_what_it_does_not_say() -> None:
    node = _Node({"GPU-a": 40.0, "GPU-b": 55.5})
    readings = list_gpus(node)
    assert readings[1] == GpuReading(
        index=1,
        uuid="GPU-b",
        name="card GPU-b",
        memory_total_mb=8000.0,
        memory_used_mb=1500.0,
        utilization=None,
        power_w=55.5,
        temperature_c=61.0,
    )
    assert [reading.index for reading in readings] == [0, 1]
    assert node.sessions == 0
    assert unavailable_reason(node) is None


def test_energy_is_the_difference_of_the_counters() -> None:
    node = _Node({"GPU-a": 40.0, "GPU-b": 60.0}, now=7.0)
    with EnergyMeter(nvml=node, clock=node.clock) as meter:
        node.now += 5
    assert meter.joules == pytest.approx(500)
    assert meter.mean_power_w == pytest.approx(100)
    assert (meter.seconds, meter.method) == (5, "nvml-energy-counter")
    assert node.sessions == 0


def test_only_the_given_gpus_count() -> None:
    node = _Node({"GPU-a": 40.0, "GPU-b": 60.0})
    with EnergyMeter(["GPU-b"], nvml=node, clock=node.clock) as meter:
        node.now += 2
    assert meter.joules == pytest.approx(120)


def test_without_counters_power_is_integrated_over_time() -> None:
    node = _Node({"GPU-a": 10.0}, counts_energy=False)
    with EnergyMeter(nvml=node, sample_seconds=0.005) as meter:
        time.sleep(0.05)
        node.watts["GPU-a"] = 30.0
        time.sleep(0.05)
    assert meter.method == "nvml-power-sampled"
    assert meter.mean_power_w is not None
    assert 10 < meter.mean_power_w < 30


@given(st.lists(st.tuples(st.floats(0, 500), st.floats(0.001, 10)), min_size=1, max_size=8))
def test_the_integral_is_exact_for_power_that_changes_linearly(
    parts: list[tuple[float, float]],
) -> None:
    moments = [(0.0, 5.0)]
    for watts, seconds in parts:
        moments.append((moments[-1][0] + seconds, watts))
    queue = iter(moments)
    now = [0.0, 0.0]

    def power() -> float:
        now[0], now[1] = next(queue)
        return now[1]

    sampler = telemetry._PowerSampler(power, lambda: now[0], 1.0)
    for _ in moments[1:]:
        sampler._sample()
    exact = sum((b[1] + a[1]) / 2 * (b[0] - a[0]) for a, b in pairwise(moments))
    assert sampler._joules == pytest.approx(exact)


@pytest.mark.parametrize("uuids", [["GPU-gone"], []])
def test_where_nothing_can_be_read_there_is_no_figure(uuids: list[str]) -> None:
    node = _Node({"GPU-a": 40.0})
    with EnergyMeter(uuids, nvml=node, clock=node.clock) as meter:
        node.now += 2
    assert (meter.joules, meter.mean_power_w, meter.method) == (None, None, None)
    assert meter.seconds == 2
    assert node.sessions == 0


def test_a_gpu_that_says_neither_energy_nor_power_gives_no_figure() -> None:
    node = _Node({"GPU-a": 40.0}, counts_energy=False, measures_power=False)
    with EnergyMeter(nvml=node) as meter:
        pass
    assert (meter.joules, meter.method) == (None, None)


def test_a_meter_may_be_used_again() -> None:
    node = _Node({"GPU-a": 10.0})
    meter = EnergyMeter(nvml=node, clock=node.clock)
    for seconds in (1, 3):
        with meter:
            node.now += seconds
        assert meter.joules == pytest.approx(10 * seconds)
    assert node.sessions == 0


def test_a_body_that_fails_ends_the_session() -> None:
    node = _Node({"GPU-a": 10.0}, counts_energy=False)

    def fail() -> None:
        with EnergyMeter(nvml=node):
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert node.sessions == 0


@pytest.mark.skipif(_driver(), reason="needs a node without NVIDIA's driver")
def test_a_node_without_a_driver_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    telemetry._noticed.clear()
    with caplog.at_level(logging.INFO, logger="cluster.telemetry"):
        assert list_gpus() == ()
        with EnergyMeter() as meter:
            time.sleep(0.001)
    assert meter.joules is None
    assert meter.seconds > 0
    assert [record.getMessage() for record in caplog.records] == [
        f"no GPU telemetry on this node ({unavailable_reason()}): energy is not recorded"
    ]


@pytest.mark.gpu
@pytest.mark.skipif(not _driver(), reason="needs NVIDIA's driver")
def test_a_real_gpu_takes_power() -> None:
    assert list_gpus() != ()
    with EnergyMeter() as meter:
        time.sleep(0.5)
    assert meter.mean_power_w is not None
    assert meter.mean_power_w > 1


GPUS = list_gpus(_Node({"GPU-aa1": 1.0, "GPU-ab2": 1.0, "GPU-b": 1.0}))


@pytest.mark.parametrize(
    ("value", "uuids"),
    [
        (None, ("GPU-aa1", "GPU-ab2", "GPU-b")),
        ("", ()),
        ("2,0", ("GPU-b", "GPU-aa1")),
        (" 1 , 2", ("GPU-ab2", "GPU-b")),
        ("GPU-ab,0", ("GPU-ab2", "GPU-aa1")),
        ("GPU-a", ()),
        ("0,-1,2", ("GPU-aa1",)),
        ("0,9,1", ("GPU-aa1",)),
    ],
)
def test_visible_gpus_are_those_cuda_would_show(value: str | None, uuids: tuple[str, ...]) -> None:
    environment = {} if value is None else {"CUDA_VISIBLE_DEVICES": value}
    assert visible_gpus(environment, GPUS) == uuids
