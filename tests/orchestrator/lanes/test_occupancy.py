from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import pytest

from orchestrator.forecast.simulation.run import simulate_one
from orchestrator.forecast.simulation.synthetic import crossing
from orchestrator.lanes.occupancy import (
    DECISIONS,
    HANDOVER,
    NO_TRIAL,
    Occupancy,
    Overheads,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def ticking(seconds: float) -> Callable[[], float]:
    """Return a clock that goes on by so much whenever it is looked at."""
    ticks = count()
    return lambda: seconds * next(ticks)


def test_the_busy_share_is_that_of_the_lanes_time_after_all_are_filled() -> None:
    lanes = Occupancy(2)
    lanes.started(0, waited=0, handover=0)
    lanes.trained(0, 10)
    lanes.started(0, waited=2, handover=0)
    lanes.trained(2, 7)
    lanes.freed()
    lanes.started(7, waited=0, handover=1)
    lanes.trained(8, 10)
    assert lanes.share(10) == pytest.approx((8 + 5 + 2) / (2 * 8))
    assert lanes.bottleneck() == DECISIONS


def test_what_comes_after_the_last_trial_to_start_is_not_counted() -> None:
    lanes = Occupancy(1)
    lanes.started(0, waited=0, handover=0)
    lanes.trained(0, 4)
    lanes.ran_dry(4)
    assert lanes.share(100) == 1
    assert lanes.bottleneck() == NO_TRIAL


def test_lanes_that_were_never_all_filled_have_no_steady_state() -> None:
    lanes = Occupancy(3)
    lanes.started(0, waited=0, handover=0)
    assert lanes.share(10) is None


def test_a_sweep_without_overheads_keeps_its_lanes_busy() -> None:
    found = simulate_one(crossing, searcher="random", workers=4, budget=4)
    assert found.utilization == pytest.approx(1.0)


def test_overheads_do_what_they_cost() -> None:
    slow = Overheads(handover_seconds=0, timer=ticking(5.0))
    decided = simulate_one(crossing, searcher="random", workers=4, budget=4, overheads=slow)
    assert decided.bottleneck == DECISIONS
    handed = simulate_one(
        crossing,
        searcher="random",
        workers=4,
        budget=4,
        overheads=Overheads(handover_seconds=2.0),
    )
    assert handed.bottleneck == HANDOVER
    assert decided.utilization is not None
    assert handed.utilization is not None
    assert 0 < decided.utilization < handed.utilization < 1


@pytest.mark.slow
def test_a_thousand_lanes_are_busy_nineteen_twentieths_of_the_time() -> None:
    found = simulate_one(
        crossing,
        searcher="random",
        scheduler="none",
        workers=1000,
        budget=1800,
        max_trials=1800,
        overheads=Overheads(handover_seconds=0.4, timer=ticking(0.01)),
    )
    assert found.utilization is not None
    assert found.utilization > 0.95
    assert found.started == 1800
