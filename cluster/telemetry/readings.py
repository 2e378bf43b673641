"""Readings of a node's GPUs through NVML, NVIDIA's management library."""

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
    """One GPU of this node."""

    index: int
    """Index of the GPU on its node, from 0, not affected by CUDA_VISIBLE_DEVICES."""
    uuid: str
    """NVIDIA's identity of the GPU, stable across reboots."""
    name: str
    """Product name."""
    memory_total_mb: float | None
    """Memory of the device, MB of 1e6 bytes; None where it does not respond."""


def list_gpus(nvml: Any = pynvml) -> tuple[GpuReading, ...]:  # noqa: ANN401 (a module)
    """Return every GPU of this node; empty without a driver."""
    with open_session(nvml) as answers:
        if not answers:
            return ()
        return tuple(_read(nvml, index) for index in range(_count(nvml)))


def mig_devices(nvml: Any = pynvml) -> dict[int, tuple[str, ...]]:  # noqa: ANN401 (a module)
    """Return the uuids of the MIG devices of each GPU in MIG mode, by the GPU's index."""
    devices: dict[int, tuple[str, ...]] = {}
    with open_session(nvml) as answers:
        for index in range(_count(nvml) if answers else 0):
            gpu = nvml.nvmlDeviceGetHandleByIndex(index)
            mode = ask(nvml.nvmlDeviceGetMigMode, gpu)
            if mode is None or not mode[0]:  # the current mode, then the pending one
                continue
            slots = range(int(ask(nvml.nvmlDeviceGetMaxMigDeviceCount, gpu) or 0))
            handles = [ask(nvml.nvmlDeviceGetMigDeviceHandleByIndex, gpu, slot) for slot in slots]
            devices[index] = tuple(
                str(nvml.nvmlDeviceGetUUID(handle)) for handle in handles if handle is not None
            )
    return devices


def exclusive_gpus(nvml: Any = pynvml) -> tuple[int, ...]:  # noqa: ANN401 (a module)
    """Return the indices of the GPUs whose compute mode admits one process at a time."""
    with open_session(nvml) as answers:
        return tuple(
            index
            for index in range(_count(nvml) if answers else 0)
            if ask(nvml.nvmlDeviceGetComputeMode, nvml.nvmlDeviceGetHandleByIndex(index))
            == nvml.NVML_COMPUTEMODE_EXCLUSIVE_PROCESS
        )


def unavailable_reason(nvml: Any = pynvml) -> str | None:  # noqa: ANN401 (a module)
    """Return NVML's error where this node has no GPU telemetry, else None."""
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        return str(error)
    nvml.nvmlShutdown()
    return None


def visible_gpus(environment: Mapping[str, str], gpus: Sequence[GpuReading]) -> tuple[str, ...]:
    """Return the uuids of the ``gpus`` that a process with ``environment`` sees, in its order.

    CUDA_VISIBLE_DEVICES holds indices, uuids or prefixes of uuids. Like CUDA, entries after the
    first invalid one are ignored. All GPUs are visible where it is not set.

    Source: CUDA C++ Programming Guide, "CUDA Environment Variables".
    """
    text = environment.get("CUDA_VISIBLE_DEVICES")
    if text is None:
        return tuple(gpu.uuid for gpu in gpus)
    uuids: list[str] = []
    for entry in text.split(","):
        name = entry.strip()
        matches = [
            gpu.uuid
            for gpu in gpus
            if name == str(gpu.index) or (name.startswith("GPU-") and gpu.uuid.startswith(name))
        ]
        if len(matches) != 1:
            break
        uuids += matches
    return tuple(uuids)


@contextmanager
def open_session(nvml: Any) -> Iterator[bool]:  # noqa: ANN401 (a module)
    """Context in which NVML is initialized; yields whether that succeeded."""
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
    return GpuReading(
        index=index,
        uuid=str(nvml.nvmlDeviceGetUUID(gpu)),
        name=str(nvml.nvmlDeviceGetName(gpu)),
        memory_total_mb=None if memory is None else memory.total / MB,
    )


def ask(question: Callable[..., Any], *arguments: object) -> Any:  # noqa: ANN401 (ctypes values)
    """Return NVML's result; None after its errors (not supported, lost, no permission)."""
    try:
        return question(*arguments)
    except pynvml.NVMLError:
        return None


def energy_counter(device_index: int | None, nvml: Any = pynvml) -> float | None:  # noqa: ANN401
    """Return the energy of a CUDA device since its driver was loaded, J.

    None for the CPU (``None``), without a driver, or where the GPU has no counter. The index counts
    the devices that this process sees.
    """
    if device_index is None:
        return None
    with open_session(nvml) as answers:
        if not answers:
            return None
        visible = visible_gpus(os.environ, list_gpus(nvml))
        if device_index >= len(visible):
            return None
        handle = ask(nvml.nvmlDeviceGetHandleByUUID, visible[device_index])
        used = None if handle is None else ask(nvml.nvmlDeviceGetTotalEnergyConsumption, handle)
        return None if used is None else float(used) / 1000.0
