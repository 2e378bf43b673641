"""Readings of a node's GPUs through NVIDIA's management library."""

from __future__ import annotations

import logging
import os
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

import pynvml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import TracebackType

EnergyMethod: TypeAlias = Literal["nvml-energy-counter", "nvml-power-sampled"]
"""Difference of the GPU's own energy counter, or the integral of its power over time."""

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


class EnergyMeter:
    """Context whose ``joules`` says what the given GPUs took while its body ran.

    The figure is that of whole devices: share a GPU and the neighbours are in it.

    Attributes:
        joules: Energy of all of them together, >= 0; None where nothing could be read.
        seconds: Length of the body.
        method: How it was read; None where nothing could be.
    """

    def __init__(
        self,
        uuids: Sequence[str] | None = None,
        *,
        sample_seconds: float = 0.1,
        nvml: Any = pynvml,  # noqa: ANN401 (a module)
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the GPUs' identities; None takes all of the node.

        Args:
            uuids: Identities of the GPUs.
            sample_seconds: Time between two samples where there are no counters, seconds, > 0.
            nvml: The management library.
            clock: Says the time, seconds.
        """
        self._sample_seconds = sample_seconds
        self.joules: float | None = None
        self.seconds = 0.0
        self.method: EnergyMethod | None = None
        self._uuids = uuids
        self._nvml = nvml
        self._clock = clock
        self._session = open_session(nvml)
        self._handles: list[Any] = []
        self._counters: list[int] | None = None
        self._sampler: _PowerSampler | None = None
        self._start = 0.0

    @property
    def mean_power_w(self) -> float | None:
        """Mean power over the body, watts; None where nothing could be read."""
        if self.joules is None or not self.seconds > 0:
            return None
        return self.joules / self.seconds

    def __enter__(self) -> Self:
        """Read the counters, or begin to sample the power."""
        self.joules, self.method = None, None
        self._handles = self._find() if self._session.__enter__() else []
        self._start = self._clock()
        if self._handles:
            self._counters = self._energy()
            if self._counters is None:
                self._sampler = _PowerSampler(self._power, self._clock, self._sample_seconds)
                self._sampler.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Work out the energy."""
        self.seconds = self._clock() - self._start
        if self._counters is not None:
            after = self._energy()
            if after is not None:
                self.joules = (sum(after) - sum(self._counters)) / 1e3
                self.method = "nvml-energy-counter"
        elif self._sampler is not None:
            self.joules = self._sampler.stop()
            self.method = None if self.joules is None else "nvml-power-sampled"
        self._counters = self._sampler = None
        self._session.__exit__(kind, error, trace)
        self._session = open_session(self._nvml)

    def _find(self) -> list[Any]:
        """Return the GPUs' handles; none at all if one cannot be had."""
        nvml = self._nvml
        if self._uuids is None:
            found = [ask(nvml.nvmlDeviceGetHandleByIndex, i) for i in range(_count(nvml))]
        else:
            found = [ask(nvml.nvmlDeviceGetHandleByUUID, uuid) for uuid in self._uuids]
        return [] if None in found else found

    def _energy(self) -> list[int] | None:
        """Return each counter, millijoules since the driver was loaded; None without counters."""
        values = [ask(self._nvml.nvmlDeviceGetTotalEnergyConsumption, gpu) for gpu in self._handles]
        found = [int(value) for value in values if value is not None]
        return found if len(found) == len(values) else None

    def _power(self) -> float | None:
        """Return the power of all devices now, watts; None if one does not say."""
        values = [ask(self._nvml.nvmlDeviceGetPowerUsage, gpu) for gpu in self._handles]
        found = [float(value) for value in values if value is not None]
        return sum(found) / 1e3 if len(found) == len(values) else None


class _PowerSampler(threading.Thread):
    """Thread that adds up power over time by the trapezoidal rule."""

    def __init__(
        self, power: Callable[[], float | None], clock: Callable[[], float], seconds: float
    ) -> None:
        super().__init__(name="power-sampler", daemon=True)
        self._power = power
        self._seconds = seconds
        self._clock = clock
        self._end = threading.Event()
        self._last: tuple[float, float] | None = None
        self._joules = 0.0
        self._sample()

    def run(self) -> None:
        while not self._end.wait(self._seconds):
            self._sample()

    def stop(self) -> float | None:
        """End the thread and return the energy, joules; None if no power was ever read."""
        self._end.set()
        self.join()
        self._sample()
        return None if self._last is None else self._joules

    def _sample(self) -> None:
        power, now = self._power(), self._clock()
        if power is None:
            return
        if self._last is not None:
            before, then = self._last
            self._joules += (power + before) / 2 * (now - then)
        self._last = (power, now)


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
