from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.ledger.clock import SweepClock

TIMES = st.floats(-1e9, 2e9)


@given(wall=st.lists(TIMES, min_size=2, max_size=6), begun=st.floats(0, 2e9))
def test_no_setting_of_the_machines_clock_turns_it(wall: list[float], begun: float) -> None:
    last = 0.0
    for now in wall:
        ticks = iter([10.0, 10.5, 12.0, 12.0])
        clock = SweepClock(begun, at_least=last, wall=[now].pop, monotonic=ticks.__next__)
        readings = [clock() for _ in range(3)]
        assert readings == sorted(readings)
        assert readings[0] >= last
        last = readings[-1]


def test_it_shows_the_time_since_the_sweep_began() -> None:
    passed = iter([50.0, 53.5])
    clock = SweepClock(1000.0, wall=lambda: 1007.0, monotonic=lambda: next(passed))
    assert clock() == 10.5
