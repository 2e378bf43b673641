from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trainables.training.checkpoint_interval import SAVE_SHARE, CheckpointInterval


@given(st.floats(0.01, 10), st.lists(st.floats(0.1, 100), max_size=60))
def test_checkpoints_take_at_most_their_share_of_the_time(cost: float, epochs: list[float]) -> None:
    now, saving = 0.0, 0.0
    interval = CheckpointInterval(lambda: now)
    for epoch in epochs:
        now += epoch
        if interval.is_due():
            with interval:
                now += cost
            saving += cost
    assert saving <= SAVE_SHARE * now + cost


def test_the_first_checkpoint_is_due_at_once_and_a_quick_one_soon_again() -> None:
    now = 5.0
    interval = CheckpointInterval(lambda: now)
    assert interval.is_due()
    with interval:
        now += 0.1
    assert not interval.is_due()
    now += 2.1
    assert interval.is_due()


def test_a_notice_makes_one_checkpoint_due_at_once() -> None:
    now = 5.0
    interval = CheckpointInterval(lambda: now)
    with interval:
        now += 1
    assert not interval.is_due()
    assert interval.is_due_after_notice()
    assert not interval.is_due_after_notice()
    now += 1 / SAVE_SHARE
    assert interval.is_due_after_notice()
