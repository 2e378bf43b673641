"""Monitors the GPUs of one lane while it runs trials."""

from __future__ import annotations

import os
import threading
from collections import deque
from itertools import pairwise
from typing import TYPE_CHECKING

import psutil

from cluster.telemetry.gpu_health import judge
from cluster.telemetry.gpu_sample import sample_gpus
from cluster.telemetry.readings import list_gpus, visible_gpus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from cluster.telemetry.gpu_sample import GpuSample

SAMPLE_SECONDS = 2.0
"""Time between two samples."""
KEPT_SAMPLES = 300
"""Samples of each GPU from which its health is judged: ten minutes."""
_IDLE_SAMPLES = 3
"""First samples of a GPU, before any trial; their mean power is its idle power."""
_MEANS = {"gpu_utilization_percentage", "gpu_clock_megahertz", "gpu_throttled_percentage"}
_PEAKS = {"gpu_memory_usage_megabytes", "gpu_temperature_celsius"}
"""Metrics that are not summed over the ranks of a lane."""
_PREFIX = "system/"
"""Prefix of the names of MLflow's system metrics."""


class LaneMonitor:
    """Samples this process's visible GPUs in a thread, and its own CPU and memory.

    Without a driver only CPU and memory of the process are reported.
    """

    def __init__(
        self,
        *,
        seconds: float = SAMPLE_SECONDS,
        sample: Callable[[Sequence[str]], tuple[GpuSample | None, ...]] = sample_gpus,
        uuids: Sequence[str] | None = None,
    ) -> None:
        """Start to sample.

        Args:
            seconds: Time between two samples, > 0.
            sample: Samples GPUs by their identities.
            uuids: Identities of the GPUs; None takes those that are visible to this process.
        """
        self.uuids = tuple(visible_gpus(os.environ, list_gpus()) if uuids is None else uuids)
        self._seconds = seconds
        self._sample = sample
        self._history: dict[str, deque[GpuSample | None]] = {
            uuid: deque(maxlen=KEPT_SAMPLES) for uuid in self.uuids
        }
        self._fresh: dict[str, list[GpuSample]] = {uuid: [] for uuid in self.uuids}
        self._idle: dict[str, list[float]] = {uuid: [] for uuid in self.uuids}
        self._sick: dict[str, str] = {}
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._process = psutil.Process()
        self._process.cpu_percent()
        self.poll()
        self._thread = threading.Thread(target=self._run, name="lane-monitor", daemon=True)
        if self.uuids:
            self._thread.start()

    def poll(self) -> None:
        """Take one sample."""
        samples = self._sample(self.uuids) if self.uuids else ()
        with self._lock:
            for uuid, sample in zip(self.uuids, samples, strict=True):
                self._history[uuid].append(sample)
                if sample is None:
                    continue
                self._fresh[uuid].append(sample)
                idle = self._idle[uuid]
                if len(idle) < _IDLE_SAMPLES and sample.power_w is not None:
                    idle.append(sample.power_w)
            verdicts = [judge(uuid, tuple(history)) for uuid, history in self._history.items()]
            self._sick = {
                health.uuid: health.reason for health in verdicts if health.verdict == "sick"
            }

    def take(self) -> dict[str, float]:
        """Return the metrics since the last call, by the names of MLflow's system metrics."""
        memory = self._process.memory_info().rss / 1e6
        metrics = {
            f"{_PREFIX}lane_cpu_percentage": self._process.cpu_percent(),
            f"{_PREFIX}lane_memory_megabytes": memory,
        }
        with self._lock:
            fresh, idle = self._fresh, self._idle
            self._fresh = {uuid: seen[-1:] for uuid, seen in fresh.items()}
            watts = {uuid: sum(w) / len(w) if w else None for uuid, w in idle.items()}
        samples = [(watts[uuid], seen) for uuid, seen in fresh.items() if seen]
        return metrics | {f"{_PREFIX}{k}": v for k, v in summarize(samples).items()}

    def combine(self, figures: Sequence[Mapping[str, float]]) -> dict[str, float]:
        """Return the metrics of a lane from those of its ranks: sums, maxima or means.

        Ranks that do not report a metric are ignored for it.
        """
        metrics = {}
        for name in dict.fromkeys(name for rank in figures for name in rank):
            values = [rank[name] for rank in figures if name in rank]
            kind = name.removeprefix(_PREFIX)
            total = max(values) if kind in _PEAKS else sum(values)
            metrics[name] = total / len(values) if kind in _MEANS else total
        return metrics

    def unfit(self) -> dict[str, str]:
        """Return the reason for each GPU that is unfit to train on, by its identity."""
        return self._sick

    def close(self) -> None:
        """Stop sampling."""
        self._end.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(self._seconds):
            self.poll()


def summarize(gpus: Iterable[tuple[float | None, Sequence[GpuSample]]]) -> dict[str, float]:
    """Return one value of each metric over all GPUs of a lane.

    Utilization, power and clocks are means over samples; power is summed over the GPUs. Memory and
    temperature are maxima, ECC errors a count. Metrics that no device reports are left out. Other
    processes on a GPU are included.

    Args:
        gpus: The idle power of each GPU, W or None, and its samples, the oldest first.
    """
    listed = list(gpus)
    means = {
        "gpu_utilization_percentage": [_mean(s.utilization for s in seen) for _, seen in listed],
        "gpu_clock_megahertz": [_mean(s.clock_mhz for s in seen) for _, seen in listed],
        "gpu_throttled_percentage": [_throttled(seen) for _, seen in listed],
    }
    metrics = {name: _mean(values) for name, values in means.items()}
    metrics["gpu_power_usage_watts"] = _total(_mean(s.power_w for s in seen) for _, seen in listed)
    energies = [None if idle is None else above_idle(seen, idle) for idle, seen in listed]
    metrics["gpu_energy_above_idle_joules"] = _total(energies)
    for name, field in (
        ("gpu_memory_usage_megabytes", "memory_used_mb"),
        ("gpu_temperature_celsius", "temperature_c"),
    ):
        metrics[name] = max(
            _reported(getattr(s, field) for _, seen in listed for s in seen), default=None
        )
    metrics["gpu_ecc_errors"] = _total(seen[-1].ecc_uncorrected for _, seen in listed)
    percent = {"gpu_utilization_percentage", "gpu_throttled_percentage"}
    return {
        name: value * (100 if name in percent else 1)
        for name, value in metrics.items()
        if value is not None
    }


def above_idle(samples: Sequence[GpuSample], idle_w: float) -> float | None:
    """Return the energy above idle, J: the integral of max(0, power - idle) over the samples.

    By the trapezoidal rule; None where no power is reported.

    Args:
        samples: Of one GPU, the oldest first.
        idle_w: Its power before the first trial, W.
    """
    excess = [(s.at, max(0.0, s.power_w - idle_w)) for s in samples if s.power_w is not None]
    if not excess:
        return None
    return sum((b[1] + a[1]) / 2 * (b[0] - a[0]) for a, b in pairwise(excess))


def _reported(values: Iterable[float | None]) -> list[float]:
    return [float(value) for value in values if value is not None]


def _mean(values: Iterable[float | None]) -> float | None:
    reported = _reported(values)
    return sum(reported) / len(reported) if reported else None


def _total(values: Iterable[float | None]) -> float | None:
    reported = _reported(values)
    return sum(reported) if reported else None


def _throttled(seen: Sequence[GpuSample]) -> float | None:
    throttled = [bool(s.throttled_by) for s in seen if s.throttled_by is not None]
    return sum(throttled) / len(throttled) if throttled else None
