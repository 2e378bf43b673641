from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.telemetry.gpu_sample import GpuSample, sample_gpus
from cluster.telemetry.lane_monitor import LaneMonitor, above_idle, summarize
from cluster.telemetry.readings import unavailable_reason

if TYPE_CHECKING:
    from collections.abc import Sequence


def at(seconds: float, watts: float | None = None, **facts: object) -> GpuSample:
    return GpuSample(uuid="GPU-a", at=seconds, power_w=watts, **facts)  # type: ignore[arg-type]


def test_energy_above_idle_is_the_area_over_the_idle_power() -> None:
    assert above_idle([at(0, 50), at(10, 150), at(20, 150)], 50) == pytest.approx(500 + 1000)
    assert above_idle([at(0, 20), at(10, 20)], 50) == 0
    assert above_idle([at(0), at(10)], 50) is None


@given(
    watts=st.lists(st.floats(10, 700), min_size=1, max_size=20),
    idle=st.floats(0, 700),
    more=st.floats(0, 100),
)
def test_a_higher_idle_power_leaves_less_energy(
    watts: list[float], idle: float, more: float
) -> None:
    samples = [at(seconds, value) for seconds, value in enumerate(watts)]
    low, high = above_idle(samples, idle + more), above_idle(samples, idle)
    assert low is not None
    assert high is not None
    assert 0 <= low <= high + 1e-9
    assert high <= max(watts) * (len(watts) - 1) + 1e-9


def test_a_lane_of_two_gpus_adds_power_and_averages_load() -> None:
    one = [
        at(0, 100, utilization=0.5, memory_used_mb=10, temperature_c=60, throttled_by=()),
        at(1, 200, utilization=1.0, memory_used_mb=30, temperature_c=50, throttled_by=("x",)),
    ]
    two = [at(0, 100, utilization=0.25, ecc_uncorrected=2)]
    found = summarize([(100.0, one), (None, two)])
    assert found == {
        "gpu_utilization_percentage": 50.0,
        "gpu_throttled_percentage": 50.0,
        "gpu_power_usage_watts": 250.0,
        "gpu_energy_above_idle_joules": 50.0,
        "gpu_memory_usage_megabytes": 30.0,
        "gpu_temperature_celsius": 60.0,
        "gpu_ecc_errors": 2.0,
    }
    assert summarize([]) == {}


def test_a_monitor_reports_each_interval_once_and_a_lost_gpu_as_unfit() -> None:
    clock = count()
    answers = iter([50.0, 150.0, 150.0, 150.0, None, None, None])

    def sample(uuids: Sequence[str]) -> tuple[GpuSample | None, ...]:
        watts = next(answers)
        return tuple(None if watts is None else at(float(next(clock)), watts) for _ in uuids)

    monitor = LaneMonitor(sample=sample, uuids=["GPU-a"], seconds=1e6)
    try:
        monitor.poll()
        monitor.poll()
        first = monitor.take()
        idle = (50 + 150 + 150) / 3
        assert first["system/gpu_energy_above_idle_joules"] == pytest.approx(1.5 * (150 - idle))
        monitor.poll()
        assert monitor.take()["system/gpu_energy_above_idle_joules"] == pytest.approx(150 - idle)
        assert monitor.unfit() == {}
        for _ in range(3):
            monitor.poll()
        assert monitor.unfit() == {"GPU-a": "lost: no response to 3 samples"}
    finally:
        monitor.close()


def test_a_lanes_figures_are_those_of_its_ranks_together() -> None:
    monitor = LaneMonitor(uuids=[])
    one = {
        "system/gpu_power_usage_watts": 100.0,
        "system/gpu_temperature_celsius": 60.0,
        "system/gpu_utilization_percentage": 50.0,
    }
    two = {"system/gpu_power_usage_watts": 150.0, "system/gpu_temperature_celsius": 70.0}
    three = {"system/gpu_utilization_percentage": 100.0}
    assert monitor.combine([one, two, three]) == {
        "system/gpu_power_usage_watts": 250.0,
        "system/gpu_temperature_celsius": 70.0,
        "system/gpu_utilization_percentage": 75.0,
    }
    assert monitor.combine([one]) == one
    monitor.close()


@pytest.mark.skipif(unavailable_reason() is None, reason="needs a node without NVIDIA's driver")
def test_without_a_driver_only_the_process_is_reported() -> None:
    assert sample_gpus(["GPU-a"]) == (None,)
    monitor = LaneMonitor()
    assert monitor.uuids == ()
    assert set(monitor.take()) == {"system/lane_cpu_percentage", "system/lane_memory_megabytes"}
    assert monitor.unfit() == {}
    monitor.close()
