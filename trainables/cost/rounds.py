"""Timing in rounds, of which the quietest counts."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

AGREEMENT = 0.02
"""Relative distance at which the medians of two rounds are one."""
LONGEST = 4.0
"""Seconds after which no further round begins."""


def quietest_round(
    timed: Callable[[], Sequence[float]],
    *,
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[Sequence[float], int]:
    """Return the round of times with the smallest median, and how many rounds were run.

    Whatever else a machine does only adds to a time. So rounds go on until the two smallest medians
    agree within two percent, which an idle machine does at the second round; at most ``rounds`` are
    run, and none begins after four seconds.

    Args:
        timed: Runs a round; returns the time of each pass, at least one.
        rounds: The most rounds, >= 1.
        clock: Seconds, never going back.
    """
    began = clock()
    best = timed()
    medians = [statistics.median(best)]
    while len(medians) < rounds and not _agreed(medians) and clock() - began < LONGEST:
        times = timed()
        medians.append(statistics.median(times))
        if medians[-1] == min(medians):
            best = times
    return best, len(medians)


def _agreed(medians: Sequence[float]) -> bool:
    least = sorted(medians)[:2]
    return len(least) == 2 and least[1] - least[0] <= AGREEMENT * least[0]
