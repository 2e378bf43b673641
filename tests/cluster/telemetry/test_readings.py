from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from types import SimpleNamespace

import pynvml
import pytest

from cluster.telemetry import readings
from cluster.telemetry.readings import (
    GpuReading,
    energy_counter,
    exclusive_gpus,
    list_gpus,
    mig_devices,
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
    sessions: int = 0
    NVMLError: type[Exception] = field(default=pynvml.NVMLError)
    NVML_TEMPERATURE_GPU: int = pynvml.NVML_TEMPERATURE_GPU

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


def test_gpus_are_listed_with_identity_name_and_memory() -> None:
    node = _Node({"GPU-a": 40.0, "GPU-b": 55.5})
    readings = list_gpus(node)
    assert readings[1] == GpuReading(
        index=1,
        uuid="GPU-b",
        name="card GPU-b",
        memory_total_mb=8000.0,
    )
    assert [reading.index for reading in readings] == [0, 1]
    assert node.sessions == 0
    assert unavailable_reason(node) is None


def test_energy_is_read_from_the_counter_of_the_visible_device(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    node = _Node({"GPU-a": 40.0, "GPU-b": 60.0}, now=5.0)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert energy_counter(0, node) == pytest.approx(1e6 + 300)
    assert energy_counter(1, node) is None
    assert energy_counter(None, node) is None
    assert energy_counter(0, _Node({"GPU-a": 1, "GPU-b": 1}, counts_energy=False)) is None
    assert node.sessions == 0


@pytest.mark.skipif(_driver(), reason="needs a node without NVIDIA's driver")
def test_a_node_without_a_driver_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    readings._noticed.clear()
    with caplog.at_level(logging.INFO, logger="cluster.telemetry.readings"):
        assert list_gpus() == ()
        assert energy_counter(0) is None
    assert [record.getMessage() for record in caplog.records] == [
        f"no GPU telemetry on this node ({unavailable_reason()}): energy is not recorded"
    ]


@pytest.mark.gpu
@pytest.mark.skipif(not _driver(), reason="needs NVIDIA's driver")
def test_a_real_gpu_takes_power() -> None:
    assert list_gpus() != ()
    before = energy_counter(0)
    time.sleep(0.5)
    after = energy_counter(0)
    assert before is not None
    assert after is not None
    assert after > before


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


class _DividedNode(_Node):
    """A node whose GPUs ``a`` and ``b`` are in MIG mode; ``a`` has devices in slots 0 and 2."""

    NVML_COMPUTEMODE_EXCLUSIVE_PROCESS = pynvml.NVML_COMPUTEMODE_EXCLUSIVE_PROCESS

    def nvmlDeviceGetMigMode(self, gpu: str) -> list[int]:  # noqa: N802
        if gpu == "old":
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return [int(gpu in "ab"), 1]

    def nvmlDeviceGetMaxMigDeviceCount(self, _gpu: str) -> int:  # noqa: N802
        return 3

    def nvmlDeviceGetMigDeviceHandleByIndex(self, gpu: str, slot: int) -> str:  # noqa: N802
        if gpu == "b" or slot == 1:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return f"MIG-{gpu}{slot}"

    def nvmlDeviceGetComputeMode(self, gpu: str) -> int:  # noqa: N802
        if gpu == "old":
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return pynvml.NVML_COMPUTEMODE_EXCLUSIVE_PROCESS if gpu == "whole" else 0


def test_mig_devices_are_found_on_gpus_in_mig_mode() -> None:
    node = _DividedNode({"a": 1.0, "b": 1.0, "whole": 1.0, "old": 1.0})
    assert mig_devices(node) == {0: ("MIG-a0", "MIG-a2"), 1: ()}
    assert node.sessions == 0
    assert mig_devices(_DividedNode({})) == {}


def test_gpus_that_admit_one_process_are_found() -> None:
    node = _DividedNode({"a": 1.0, "whole": 1.0, "old": 1.0})
    assert exclusive_gpus(node) == (1,)
    assert node.sessions == 0
