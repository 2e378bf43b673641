"""Watches the GPUs of one lane while trials pass through it."""

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
KEPT_SAMPLES = 300
"""Samples of each GPU that its health is judged by: ten minutes."""
_IDLE_SAMPLES = 3
_MEANS = {"gpu_utilization_percentage", "gpu_clock_megahertz", "gpu_throttled_percentage"}
_PEAKS = {"gpu_memory_usage_megabytes", "gpu_temperature_celsius"}
"""Figures of a lane that do not add up over its ranks."""
_PREFIX = "system/"
"""Beginning of a metric's name that MLflow shows as one of the system."""


class LaneMonitor:
    """Samples the GPUs that this process may use, with its own load, in a thread.

    Without a driver only the load of the process is told.
    """

    def __init__(
        self,
        *,
        seconds: float = SAMPLE_SECONDS,
        sample: Callable[[Sequence[str]], tuple[GpuSample | None, ...]] = sample_gpus,
        uuids: Sequence[str] | None = None,
    ) -> None:
        """Begin to sample.

        Args:
            seconds: Time between two samples, > 0.
            sample: Samples GPUs by their identities.
            uuids: Identities of the GPUs; None takes those that CUDA shows this process.
        """
        found = visible_gpus(os.environ, list_gpus()) if uuids is None else uuids
        self.uuids = tuple(found)
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
        self.look()
        self._thread = threading.Thread(target=self._run, name="lane-monitor", daemon=True)
        if self.uuids:
            self._thread.start()

    def look(self) -> None:
        """Take one sample."""
        found = self._sample(self.uuids) if self.uuids else ()
        with self._lock:
            for uuid, each in zip(self.uuids, found, strict=True):
                self._history[uuid].append(each)
                if each is None:
                    continue
                self._fresh[uuid].append(each)
                idle = self._idle[uuid]
                if len(idle) < _IDLE_SAMPLES and each.power_w is not None:
                    idle.append(each.power_w)
            judged = [judge(uuid, tuple(seen)) for uuid, seen in self._history.items()]
            self._sick = {each.uuid: each.reason for each in judged if each.verdict == "sick"}

    def take(self) -> dict[str, float]:
        """Return what was seen since the last call, by the names of MLflow's system metrics."""
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
        """Return the figures of a lane from those of its ranks.

        What adds up is added up, peaks are the highest, shares with clocks are means. A figure that
        one rank does not tell is that of the others.
        """
        names = dict.fromkeys(name for each in figures for name in each)
        found = {}
        for name in names:
            told = [each[name] for each in figures if name in each]
            kind = name.removeprefix(_PREFIX)
            total = max(told) if kind in _PEAKS else sum(told)
            found[name] = total / len(told) if kind in _MEANS else total
        return found

    def unfit(self) -> dict[str, str]:
        """Return why GPUs of the lane are not to be used any more, by their identity."""
        return self._sick

    def close(self) -> None:
        """End the sampling."""
        self._end.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(self._seconds):
            self.look()


def summarize(gpus: Iterable[tuple[float | None, Sequence[GpuSample]]]) -> dict[str, float]:
    """Return one figure for each thing that was sampled, over all GPUs of a lane.

    Utilization, power and clocks are means over samples, power summed over the GPUs; memory and
    temperature are peaks, ECC errors a count. Figures that no device tells are left out. Whatever
    else runs on a GPU is in them.

    Args:
        gpus: The power of each GPU when idle, W or None, with its samples, the oldest first.
    """
    listed = list(gpus)
    means = {
        "gpu_utilization_percentage": [_mean(s.utilization for s in seen) for _, seen in listed],
        "gpu_clock_megahertz": [_mean(s.clock_mhz for s in seen) for _, seen in listed],
        "gpu_throttled_percentage": [_throttled(seen) for _, seen in listed],
    }
    found = {name: _mean(values) for name, values in means.items()}
    found["gpu_power_usage_watts"] = _total(_mean(s.power_w for s in seen) for _, seen in listed)
    energies = [None if idle is None else above_idle(seen, idle) for idle, seen in listed]
    found["gpu_energy_above_idle_joules"] = _total(energies)
    for name, field in (
        ("gpu_memory_usage_megabytes", "memory_used_mb"),
        ("gpu_temperature_celsius", "temperature_c"),
    ):
        found[name] = max(
            _told(getattr(s, field) for _, seen in listed for s in seen), default=None
        )
    found["gpu_ecc_errors"] = _total(seen[-1].ecc_uncorrected for _, seen in listed)
    percent = {"gpu_utilization_percentage", "gpu_throttled_percentage"}
    return {
        name: value * (100 if name in percent else 1)
        for name, value in found.items()
        if value is not None
    }


def above_idle(samples: Sequence[GpuSample], idle_w: float) -> float | None:
    """Return the energy above idle, J: the integral of max(0, power - idle) over the samples.

    By the trapezoidal rule; None where no power is told.

    Args:
        samples: Of one GPU, the oldest first.
        idle_w: Its power when nothing ran on it for us, W.
    """
    told = [(s.at, max(0.0, s.power_w - idle_w)) for s in samples if s.power_w is not None]
    if not told:
        return None
    return sum((b[1] + a[1]) / 2 * (b[0] - a[0]) for a, b in pairwise(told))


def _told(values: Iterable[float | None]) -> list[float]:
    return [float(value) for value in values if value is not None]


def _mean(values: Iterable[float | None]) -> float | None:
    told = _told(values)
    return sum(told) / len(told) if told else None


def _total(values: Iterable[float | None]) -> float | None:
    told = _told(values)
    return sum(told) if told else None


def _throttled(seen: Sequence[GpuSample]) -> float | None:
    told = [bool(s.throttled_by) for s in seen if s.throttled_by is not None]
    return sum(told) / len(told) if told else None
