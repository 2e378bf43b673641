from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainables.cost.rounds import LONGEST, quietest_round


def _rounds(medians: list[float]) -> tuple[list[float], int]:
    left = iter(medians)

    def timed() -> list[float]:
        middle = next(left)
        return [middle * 0.9, middle, middle * 3]

    times, run = quietest_round(timed, rounds=len(medians), clock=lambda: 0.0)
    return list(times), run


@pytest.mark.parametrize(
    ("medians", "least", "run"),
    [
        ([10.0, 10.1, 5.0], 10.0, 2),
        ([20.0, 10.0, 15.0, 10.1, 1.0], 10.0, 4),
        ([20.0, 15.0, 10.0], 10.0, 3),
        ([10.0], 10.0, 1),
    ],
)
def test_rounds_end_once_the_two_quietest_agree(
    medians: list[float], least: float, run: int
) -> None:
    times, found = _rounds(medians)
    assert (times[1], found) == (least, run)


@given(st.lists(st.floats(0.1, 1e3), min_size=1, max_size=9))
def test_the_smallest_median_of_those_that_were_run_counts(medians: list[float]) -> None:
    times, run = _rounds(medians)
    assert times[1] == min(medians[:run])


def test_no_round_begins_after_the_longest_time() -> None:
    clock = itertools.count(0.0, LONGEST / 2)
    seconds = itertools.count(100.0, -10.0)
    _, run = quietest_round(lambda: [next(seconds)], rounds=8, clock=lambda: next(clock))
    assert run == 2
