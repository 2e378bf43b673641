from __future__ import annotations

import itertools
import math
import statistics
import subprocess
import sys
import time

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainables.cost.rounds import (
    OTHER_LOAD,
    Round,
    Timing,
    relative_interval,
    time_in_rounds,
    time_round,
)

SPREAD = (0.995, 1.0, 1.005, 0.99, 1.01, 1.0)


def _round(median: float, *, share: float = 1.0, load: float = 0.0) -> Round:
    """Return a round whose thread computed for ``share`` of the time."""
    wall = tuple(median * each for each in SPREAD)
    cpu = tuple(each * share for each in wall)
    return Round(wall_ms=wall, cpu_ms=cpu, switches=6, other_load=load)


def _timing(*rounds: Round, seconds: float = 100.0, most: int = 9) -> Timing:
    left = iter(rounds)
    clock = itertools.count(0.0, 1.0)
    return time_in_rounds(
        lambda: next(left), rounds=min(most, len(rounds)), seconds=seconds, clock=clock.__next__
    )


def test_two_tight_rounds_that_agree_end_the_timing() -> None:
    timing = _timing(_round(10), _round(10.1), _round(5))
    assert (timing.rounds, timing.disturbance, timing.estimate) == (2, "", "wall")
    assert statistics.median(timing.times_ms) == pytest.approx(10.05, rel=0.01)
    assert timing.switches == 1


def test_slower_rounds_are_excluded_from_the_figures() -> None:
    timing = _timing(_round(20), _round(10), _round(15), _round(10))
    assert timing.rounds == 4
    assert max(timing.times_ms) < 10.2


def test_rounds_beside_other_load_are_excluded_from_the_figures() -> None:
    timing = _timing(_round(12, load=0.5), _round(60, share=0.2), _round(10), _round(10))
    assert (timing.rounds, timing.disturbance) == (4, "")
    assert len(timing.times_ms) == 12
    assert timing.other_load == pytest.approx(0.125)


@pytest.mark.parametrize(
    ("disturbed", "reason"),
    [
        (_round(60, share=0.2), "the measuring thread had a CPU for 20% of the time"),
        (_round(12, load=0.5), "other processes used 50% of the machine's CPUs"),
    ],
)
def test_a_measurement_without_an_undisturbed_round_is_marked(
    disturbed: Round, reason: str
) -> None:
    timing = _timing(*[disturbed] * 9)
    assert timing.disturbance == reason
    assert timing.estimate == "cpu"
    assert statistics.median(timing.times_ms) == pytest.approx(12)


def test_without_cpu_times_a_disturbed_figure_is_the_wall_time() -> None:
    timing = _timing(*[Round(wall_ms=(10.0,) * 6, other_load=0.9)] * 3)
    assert (timing.estimate, timing.cpu_ms) == ("wall", None)
    assert timing.disturbance


def test_timing_ends_with_its_budget() -> None:
    noisy = Round(wall_ms=(10.0, 10.5, 11.0, 14.0, 18.0, 30.0))
    assert _timing(*[noisy] * 9, seconds=3).rounds == 3
    assert _timing(*[noisy] * 9, most=5).rounds == 5


def test_constant_disturbance_ends_the_timing_after_a_third_of_the_budget() -> None:
    assert _timing(*[_round(10, share=0.5)] * 9, seconds=9).rounds == 3


def test_a_median_with_a_wide_interval_counts_as_disturbed() -> None:
    noisy = Round(wall_ms=(10.0, 10.5, 11.0, 14.0, 18.0, 30.0))
    assert "the median is known to ±" in _timing(noisy).disturbance
    assert _timing(Round(wall_ms=(10.0,))).disturbance == "only 1 timed"


@pytest.mark.parametrize("value", [math.nan, 1.0])
def test_a_load_that_is_nan_is_a_disturbance(value: float) -> None:
    assert Round(wall_ms=(1.0,), other_load=value).disturbance


@given(st.lists(st.floats(0.1, 1e3), min_size=3, max_size=40))
def test_the_interval_holds_the_median_and_lies_in_the_range(times: list[float]) -> None:
    half = relative_interval(times) * statistics.median(times)
    assert 0 <= half <= (max(times) - min(times)) / 2 + 1e-9


def test_the_interval_of_order_statistics_has_the_ranks_of_the_textbook() -> None:
    # n = 100: ranks 40 and 61 (1.96 * sqrt(100) / 2 = 9.8), as in Conover 1999, section 3.2
    assert relative_interval([*range(1, 101)]) == pytest.approx((61 - 41) / 2 / 50.5, rel=0.06)
    assert relative_interval([1.0, 2.0]) == math.inf


def _spin(seconds: float) -> float:
    start = time.perf_counter()
    while time.perf_counter() - start < seconds:
        pass
    return seconds * 1e3


def test_a_round_counts_the_work_of_its_own_thread() -> None:
    done = time_round(lambda: _spin(0.02), passes=5, on_thread=True, on_cpu=True)
    assert len(done.wall_ms) >= 5
    assert done.cpu_ms is not None
    assert len(done.cpu_ms) == len(done.wall_ms)
    assert all(0 < cpu <= 2 * wall for cpu, wall in zip(done.cpu_ms, done.wall_ms, strict=True))
    assert done.other_load is not None
    assert 0 <= done.other_load <= 1


def test_a_round_of_long_passes_is_short() -> None:
    done = time_round(lambda: _spin(0.4), passes=50, on_thread=True, on_cpu=True)
    assert len(done.wall_ms) == 3


def test_a_waiting_thread_is_detected() -> None:
    def wait() -> float:
        time.sleep(0.05)
        return 50.0

    done = time_round(wait, passes=3, on_thread=True, on_cpu=False)
    assert "had a CPU for" in done.disturbance
    assert done.other_load is None


def test_busy_processes_are_detected() -> None:
    command = [sys.executable, "-c", "while True: pass"]
    busy = [subprocess.Popen(command) for _ in range(psutil.cpu_count() or 1)]
    try:
        time.sleep(0.3)
        done = time_round(lambda: _spin(0.02), passes=20, on_thread=False, on_cpu=True)
    finally:
        for process in busy:
            process.kill()
            process.wait()
    assert done.other_load is not None
    assert done.other_load > OTHER_LOAD
