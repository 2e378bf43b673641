"""Readings of a node's GPUs through NVIDIA's management library."""

from __future__ import annotations

import logging
import os
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pynvml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

MB = 1e6
_log = logging.getLogger(__name__)
_noticed = threading.Event()


@dataclass(frozen=True, kw_only=True, slots=True)
class GpuReading:
    """One GPU at one moment; None where the device does not answer."""

    index: int
    """Number of the GPU on its node, from 0, whatever CUDA_VISIBLE_DEVICES says."""
    uuid: str
    """Identity that lasts across reboots."""
    name: str
    """Product name."""
    memory_total_mb: float | None
    """Memory of the device, megabytes of 1e6 bytes."""
    memory_used_mb: float | None
    """Memory in use by anyone, megabytes of 1e6 bytes."""
    utilization: float | None
    """Share of the last moments in which a kernel ran, [0, 1]."""
    power_w: float | None
    """Power draw, watts."""
    temperature_c: float | None
    """Temperature, degrees Celsius."""


def list_gpus(nvml: Any = pynvml) -> tuple[GpuReading, ...]:  # noqa: ANN401 (a module)
    """Return a reading of every GPU of this node; empty where there is no driver."""
    with open_session(nvml) as answers:
        if not answers:
            return ()
        return tuple(_read(nvml, index) for index in range(_count(nvml)))


def unavailable_reason(nvml: Any = pynvml) -> str | None:  # noqa: ANN401 (a module)
    """Return why this node has no GPU telemetry, in NVIDIA's words; None where it has."""
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        return str(error)
    nvml.nvmlShutdown()
    return None


def visible_gpus(environment: Mapping[str, str], gpus: Sequence[GpuReading]) -> tuple[str, ...]:
    """Return the uuids of those ``gpus`` a process with ``environment`` may use, in its order.

    CUDA_VISIBLE_DEVICES holds indices, uuids or beginnings of uuids; like CUDA, stop at the first
    that names no device. Where it is not set all are visible.

    Source: CUDA C++ Programming Guide, "CUDA Environment Variables".
    """
    text = environment.get("CUDA_VISIBLE_DEVICES")
    if text is None:
        return tuple(gpu.uuid for gpu in gpus)
    found: list[str] = []
    for entry in text.split(","):
        name = entry.strip()
        matches = [
            gpu.uuid
            for gpu in gpus
            if name == str(gpu.index) or (name.startswith("GPU-") and gpu.uuid.startswith(name))
        ]
        if len(matches) != 1:
            break
        found += matches
    return tuple(found)


@contextmanager
def open_session(nvml: Any) -> Iterator[bool]:  # noqa: ANN401 (a module)
    """Keep the library open inside; yields whether it answers."""
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        if not _noticed.is_set():
            _noticed.set()
            _log.info("no GPU telemetry on this node (%s): energy is not recorded", error)
        yield False
        return
    try:
        yield True
    finally:
        nvml.nvmlShutdown()


def _count(nvml: Any) -> int:  # noqa: ANN401 (a module)
    return int(ask(nvml.nvmlDeviceGetCount) or 0)


def _read(nvml: Any, index: int) -> GpuReading:  # noqa: ANN401 (a module)
    gpu = nvml.nvmlDeviceGetHandleByIndex(index)
    memory = ask(nvml.nvmlDeviceGetMemoryInfo, gpu)
    load = ask(nvml.nvmlDeviceGetUtilizationRates, gpu)
    power = ask(nvml.nvmlDeviceGetPowerUsage, gpu)
    heat = ask(nvml.nvmlDeviceGetTemperature, gpu, nvml.NVML_TEMPERATURE_GPU)
    return GpuReading(
        index=index,
        uuid=str(nvml.nvmlDeviceGetUUID(gpu)),
        name=str(nvml.nvmlDeviceGetName(gpu)),
        memory_total_mb=None if memory is None else memory.total / MB,
        memory_used_mb=None if memory is None else memory.used / MB,
        utilization=None if load is None else load.gpu / 100,
        power_w=None if power is None else power / 1e3,
        temperature_c=None if heat is None else float(heat),
    )


def ask(question: Callable[..., Any], *arguments: object) -> Any:  # noqa: ANN401 (ctypes values)
    """Return the answer; None where the device has none (not supported, lost, no permission)."""
    try:
        return question(*arguments)
    except pynvml.NVMLError:
        return None


def energy_counter(device_index: int | None, nvml: Any = pynvml) -> float | None:  # noqa: ANN401
    """Return the energy the CUDA device of that index has used since its driver was loaded, J.

    None for the CPU (None), without a driver, or where the GPU has no counter. The index counts
    the devices this process sees.
    """
    if device_index is None:
        return None
    with open_session(nvml) as answers:
        if not answers:
            return None
        seen = visible_gpus(os.environ, list_gpus(nvml))
        if device_index >= len(seen):
            return None
        handle = ask(nvml.nvmlDeviceGetHandleByUUID, seen[device_index])
        used = None if handle is None else ask(nvml.nvmlDeviceGetTotalEnergyConsumption, handle)
        return None if used is None else float(used) / 1000.0
