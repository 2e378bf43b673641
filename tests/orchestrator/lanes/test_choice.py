from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.lanes.choice import Waiting, choose

SIZES = (5.0, 10.0, 40.0)
queues = st.lists(
    st.builds(
        Waiting,
        need_mb=st.one_of(st.none(), st.sampled_from([1.0, 5.0, 7.0, 10.0, 30.0, 90.0])),
        since=st.floats(0, 1000),
    ),
    max_size=12,
)


def test_a_lane_takes_the_first_that_fits() -> None:
    waiting = [
        Waiting(need_mb=30, since=0),
        Waiting(need_mb=None, since=0),
        Waiting(need_mb=4, since=0),
        Waiting(need_mb=3, since=0),
    ]
    assert choose(waiting, 5, 40, now=0) == 2
    assert choose(waiting, 40, 40, now=0) == 0
    assert choose(waiting[:2], 10, 40, now=0) is None
    assert choose(waiting, None, None, now=0) == 0


def test_who_has_waited_for_long_is_taken_anywhere() -> None:
    waiting = [Waiting(need_mb=30, since=0)]
    assert choose(waiting, 5, 40, now=9, patience_s=10) is None
    assert choose(waiting, 5, 40, now=10, patience_s=10) == 0


@given(waiting=queues, capacity=st.sampled_from(SIZES), now=st.floats(0, 2000))
def test_nothing_is_put_where_it_does_not_fit_before_its_patience_ends(
    waiting: list[Waiting], capacity: float, now: float
) -> None:
    place = choose(waiting, capacity, max(SIZES), now=now, patience_s=600)
    if place is None:
        return
    chosen = waiting[place]
    if now - chosen.since < 600:
        assert chosen.need_mb is not None or capacity == max(SIZES)
        assert min(chosen.need_mb or 0, max(SIZES)) <= capacity


@given(waiting=queues, now=st.floats(0, 2000))
def test_the_largest_lane_serves_in_order_so_that_nobody_starves(
    waiting: list[Waiting], now: float
) -> None:
    place = choose(waiting, max(SIZES), max(SIZES), now=now)
    assert place == (0 if waiting else None)
