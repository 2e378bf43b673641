from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trainables.training.pacer import SAVE_SHARE, Pacer


@given(st.floats(0.01, 10), st.lists(st.floats(0.1, 100), max_size=60))
def test_saving_takes_no_more_than_its_share(cost: float, epochs: list[float]) -> None:
    now, saving = 0.0, 0.0
    pacer = Pacer(lambda: now)
    for epoch in epochs:
        now += epoch
        if pacer.is_due():
            with pacer:
                now += cost
            saving += cost
    assert saving <= SAVE_SHARE * now + cost


def test_the_first_saving_is_due_at_once_and_a_quick_one_soon_again() -> None:
    now = 5.0
    pacer = Pacer(lambda: now)
    assert pacer.is_due()
    with pacer:
        now += 0.1
    assert not pacer.is_due()
    now += 2.1
    assert pacer.is_due()
