"""Samples of a GPU: load, power, clocks, temperature, errors."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import pynvml

from cluster.telemetry.readings import MB, ask, open_session

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_REASONS = {
    "sw_thermal": "nvmlClocksEventReasonSwThermalSlowdown",
    "hw_thermal": "nvmlClocksThrottleReasonHwThermalSlowdown",
    "hw_slowdown": "nvmlClocksThrottleReasonHwSlowdown",
    "hw_power_brake": "nvmlClocksThrottleReasonHwPowerBrakeSlowdown",
    "sw_power_cap": "nvmlClocksEventReasonSwPowerCap",
}
"""Names of the reasons for reduced clocks, and NVML's constants for them."""
THERMAL = frozenset({"sw_thermal", "hw_thermal"})


@dataclass(frozen=True, kw_only=True, slots=True)
class GpuSample:
    """One sample; None for values that the device does not report."""

    uuid: str
    """NVIDIA's identity of the GPU, stable across reboots."""
    at: float
    """Time on the clock of the sampler, seconds."""
    utilization: float | None = None
    """Share of NVML's sample period in which a kernel ran, [0, 1]."""
    memory_used_mb: float | None = None
    """Memory in use by all processes, MB of 1e6 bytes."""
    power_w: float | None = None
    """Power draw, watts."""
    temperature_c: float | None = None
    """Temperature, degrees Celsius."""
    clock_mhz: float | None = None
    """Clock of the multiprocessors, MHz."""
    throttled_by: tuple[str, ...] | None = None
    """Reasons for reduced clocks; empty without."""
    ecc_uncorrected: int | None = None
    """Uncorrected memory errors since the driver was loaded, >= 0."""
    remap_pending: bool | None = None
    """Whether memory rows are remapped at the next reset."""

    @property
    def slowed_by_heat(self) -> bool:
        """Whether its temperature throttles it."""
        return bool(THERMAL & set(self.throttled_by or ()))

    def to_mapping(self) -> dict[str, object]:
        """Return the sample as JSON types."""
        return {**asdict(self), "throttled_by": list(self.throttled_by or ())}


def sample_gpus(
    uuids: Sequence[str],
    nvml: Any = pynvml,  # noqa: ANN401 (a module)
    clock: Callable[[], float] = time.monotonic,
) -> tuple[GpuSample | None, ...]:
    """Return a sample of each GPU, in order; None for one that does not respond.

    Without a driver all are None.
    """
    with open_session(nvml) as answers:
        if not answers:
            return tuple(None for _ in uuids)
        return tuple(_sample(uuid, nvml, clock()) for uuid in uuids)


def _sample(uuid: str, nvml: Any, at: float) -> GpuSample | None:  # noqa: ANN401 (a module)
    gpu = ask(nvml.nvmlDeviceGetHandleByUUID, uuid)
    memory = None if gpu is None else ask(nvml.nvmlDeviceGetMemoryInfo, gpu)
    if gpu is None or memory is None:
        return None
    load = ask(nvml.nvmlDeviceGetUtilizationRates, gpu)
    power = ask(nvml.nvmlDeviceGetPowerUsage, gpu)
    heat = ask(nvml.nvmlDeviceGetTemperature, gpu, nvml.NVML_TEMPERATURE_GPU)
    clock = ask(nvml.nvmlDeviceGetClockInfo, gpu, nvml.NVML_CLOCK_SM)
    reasons = ask(nvml.nvmlDeviceGetCurrentClocksThrottleReasons, gpu)
    errors = ask(
        nvml.nvmlDeviceGetTotalEccErrors,
        gpu,
        nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED,
        nvml.NVML_VOLATILE_ECC,
    )
    remapped = ask(nvml.nvmlDeviceGetRemappedRows, gpu)
    return GpuSample(
        uuid=uuid,
        at=at,
        utilization=None if load is None else load.gpu / 100,
        memory_used_mb=memory.used / MB,
        power_w=None if power is None else power / 1e3,
        temperature_c=None if heat is None else float(heat),
        clock_mhz=None if clock is None else float(clock),
        throttled_by=None if reasons is None else throttle_reasons(int(reasons), nvml),
        ecc_uncorrected=None if errors is None else int(errors),
        remap_pending=None if remapped is None else bool(remapped[2]),
    )


def throttle_reasons(bits: int, nvml: Any = pynvml) -> tuple[str, ...]:  # noqa: ANN401 (a module)
    """Return the names of the throttling reasons in NVML's bit mask."""
    return tuple(
        name for name, constant in _REASONS.items() if bits & int(getattr(nvml, constant, 0))
    )
