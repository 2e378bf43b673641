"""Timing of forward passes in rounds, and detection of disturbances."""

from __future__ import annotations

import math
import resource
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

AGREEMENT = 0.05
"""Largest relative distance of a round's median from the smallest one with which it is pooled."""
TIGHT = 0.02
"""Relative half-width of the median's interval at which timing ends."""
LOOSE = 0.05
"""Relative half-width above which a median counts as disturbed."""
CPU_SHARE = 0.95
"""Least CPU time of the measuring thread over wall time; below it, the thread was waiting."""
OTHER_LOAD = 0.15
"""Largest share of the machine's CPUs that other processes may use. On two cores, one busy process
(0.5) made single-threaded passes 25 to 40 % longer although wall and CPU time agreed: the two
virtual cores share execution units."""
SHORTEST_ROUND = 0.2
"""Least duration of a round, s: the system counts CPU time in steps of 10 ms."""
LONGEST_ROUND = 1.0
"""Time after which a round ends as soon as it has three passes, s."""
GIVE_UP = 1 / 3
"""Share of the time budget after which timing ends if every round was disturbed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Round:
    """Consecutive passes and the load of the machine meanwhile."""

    wall_ms: tuple[float, ...]
    """Duration of each pass, milliseconds, > 0."""
    cpu_ms: tuple[float, ...] | None = None
    """CPU time of the measuring thread in each pass, milliseconds; None where other threads or
    devices do the work."""
    switches: int | None = None
    """Involuntary context switches of the measuring thread; None where they are not counted."""
    other_load: float | None = None
    """Share of the machine's CPUs that other processes used, [0, 1]; None for a measurement on
    another device."""

    @property
    def disturbance(self) -> str:
        """Why the wall times of this round are not reliable; empty where they are."""
        if self.cpu_ms is not None:
            share = sum(self.cpu_ms) / sum(self.wall_ms)
            if not share >= CPU_SHARE:
                return f"the measuring thread had a CPU for {share:.0%} of the time"
        if self.other_load is not None and not self.other_load <= OTHER_LOAD:
            return f"other processes used {self.other_load:.0%} of the machine's CPUs"
        return ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Timing:
    """The result of timing in rounds."""

    times_ms: tuple[float, ...]
    """Times that the figures are computed from, milliseconds."""
    estimate: Literal["wall", "cpu"]
    """Whether these are wall times or CPU times of the measuring thread."""
    rounds: int
    """Rounds timed, >= 1."""
    interval: float
    """Half-width of the 95 % interval of the median over the median, >= 0; infinite for fewer than
    three passes."""
    disturbance: str
    """Why the figure is not reliable; empty where it is."""
    cpu_ms: float | None
    """Median CPU time of the measuring thread in a pass, milliseconds; None where unknown."""
    switches: float | None
    """Involuntary context switches per pass; None where unknown."""
    other_load: float | None
    """Mean share of the machine's CPUs that other processes used, [0, 1]; None where unknown."""


def time_in_rounds(
    timed: Callable[[], Round],
    *,
    rounds: int,
    seconds: float,
    clock: Callable[[], float] = time.perf_counter,
) -> Timing:
    """Return the pooled times of the undisturbed rounds.

    Other load only adds to a time. So the rounds with a median within ``AGREEMENT`` of the smallest
    are pooled. Timing ends when the pool has two rounds and the interval of its median is within
    ``TIGHT``, after ``rounds``, or at the end of the time budget. It ends after ``GIVE_UP`` of the
    budget when no round was undisturbed.

    Where no round was undisturbed, the CPU times are pooled instead, if there are any: with four
    busy processes per core wall times were 6 times those of an idle machine, CPU times 1.3 to 1.6.

    Args:
        timed: Times one round.
        rounds: Most rounds, >= 1.
        seconds: Time budget, > 0; no round begins after it.
        clock: Seconds, monotonic.
    """
    start = clock()
    done = [timed()]
    while len(done) < rounds and (elapsed := clock() - start) < seconds:
        undisturbed = [each for each in done if not each.disturbance]
        if not undisturbed and elapsed >= GIVE_UP * seconds:
            break
        pooled, pool_size = _pool([each.wall_ms for each in undisturbed])
        if pool_size >= 2 and relative_interval(pooled) <= TIGHT:
            break
        done.append(timed())
    return _summary(done)


def relative_interval(times: Sequence[float]) -> float:
    """Return the half-width of the 95 % interval of the median, divided by the median.

    The interval is that of order statistics, which assumes no distribution; with fewer than six
    values it is their range. Infinite for fewer than three values.
    """
    count = len(times)
    if count < 3:
        return math.inf
    ordered = sorted(times)
    low = max(0, math.floor((count - 1.96 * math.sqrt(count)) / 2) if count >= 6 else 0)
    return (ordered[count - 1 - low] - ordered[low]) / 2 / statistics.median(ordered)


def time_round(
    one_pass: Callable[[], float], *, passes: int, on_thread: bool, on_cpu: bool
) -> Round:
    """Return one round of at least ``passes`` passes, fewer (at least three) where they are long.

    Args:
        one_pass: Runs a pass; returns its duration in milliseconds.
        passes: Passes of a round, >= 1.
        on_thread: Whether the calling thread does all the work of a pass.
        on_cpu: Whether a pass runs on this machine's CPUs.
    """
    wall: list[float] = []
    cpu: list[float] = []
    busy, switches, start = _busy_seconds(), _switches(), time.perf_counter()
    process = time.process_time()
    while not _is_over(len(wall), passes, time.perf_counter() - start):
        thread = time.thread_time_ns()
        wall.append(one_pass())
        cpu.append((time.thread_time_ns() - thread) / 1e6)
    elapsed, process = time.perf_counter() - start, time.process_time() - process
    other = max(0.0, _busy_seconds() - busy - process) / (elapsed * (psutil.cpu_count() or 1))
    after = _switches()
    return Round(
        wall_ms=tuple(wall),
        cpu_ms=tuple(cpu) if on_thread else None,
        switches=None if switches is None or after is None else after - switches,
        other_load=min(1.0, other) if on_cpu else None,
    )


def _is_over(done: int, passes: int, elapsed: float) -> bool:
    if elapsed >= LONGEST_ROUND and done >= min(3, passes):
        return True
    return done >= passes and elapsed >= SHORTEST_ROUND


def _pool(series: Sequence[Sequence[float]]) -> tuple[tuple[float, ...], int]:
    """Return the times of the series with a median near the smallest, and their number."""
    if not series:
        return (), 0
    medians = [statistics.median(times) for times in series]
    limit = min(medians) * (1 + AGREEMENT)
    agreeing = [times for times, m in zip(series, medians, strict=True) if m <= limit]
    return tuple(time for times in agreeing for time in times), len(agreeing)


def _summary(done: Sequence[Round]) -> Timing:
    undisturbed = [each for each in done if not each.disturbance]
    cpu = [each.cpu_ms for each in done if each.cpu_ms is not None]
    estimate: Literal["wall", "cpu"] = "wall" if undisturbed or len(cpu) < len(done) else "cpu"
    series = [each.wall_ms for each in undisturbed or done] if estimate == "wall" else cpu
    times, _ = _pool(series)
    interval = relative_interval(times)
    loose = f"the median is known to ±{interval:.0%} only" if interval > LOOSE else ""
    if math.isinf(interval):
        loose = f"only {len(times)} timed"
    passes = sum(len(each.wall_ms) for each in done)
    switches = [each.switches for each in done if each.switches is not None]
    loads = [each.other_load for each in done if each.other_load is not None]
    return Timing(
        times_ms=times,
        estimate=estimate,
        rounds=len(done),
        interval=interval,
        disturbance=loose if undisturbed else done[-1].disturbance,
        cpu_ms=statistics.median(_pool(cpu)[0]) if cpu else None,
        switches=sum(switches) / passes if switches else None,
        other_load=statistics.fmean(loads) if loads else None,
    )


def _busy_seconds() -> float:
    """Return the seconds that all CPUs of the machine were busy, including stolen time."""
    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    # User time includes guest time.
    return float(sum(times) - idle - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0))


def _switches() -> int | None:
    thread = getattr(resource, "RUSAGE_THREAD", None)  # Linux alone
    return None if thread is None else resource.getrusage(thread).ru_nivcsw
