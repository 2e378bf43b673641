from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest
import torch

from trainables.session.local import LocalSession
from trainables.training.evaluation import TrialStoppedError
from trainables.training.resume_point import find_resume_point
from trainables.training.state import load_last, save_last

if TYPE_CHECKING:
    from collections.abc import Callable

    from trainables.training.loop import Trainer
    from trainables.training.plan import PartialEpoch


class NoticedSession(LocalSession):
    """Has a notice at the second step, and an end at the third."""

    steps = 0

    def preemption_noticed(self) -> bool:
        self.steps += 1
        return self.steps >= 2

    def should_stop(self) -> bool:
        return self.steps >= 2


def interrupted(make_trainer: Callable[..., Trainer]) -> Trainer:
    trainer = make_trainer(session=NoticedSession())
    with pytest.raises(TrialStoppedError):
        trainer.fit(lambda *_: None)
    return trainer


def test_an_empty_folder_has_no_resume_point(make_trainer: Callable[..., Trainer]) -> None:
    assert find_resume_point(make_trainer().plan) is None


def test_a_partial_epoch_counts_as_trained_time(
    make_trainer: Callable[..., Trainer],
) -> None:
    point = find_resume_point(interrupted(make_trainer).plan)
    assert point is not None
    assert point.progress.partial is not None
    assert point.progress.partial.steps == 1
    assert point.progress.trained_seconds == point.progress.partial.seconds > 0


def test_a_partial_epoch_in_the_layout_of_earlier_versions_is_read(
    make_trainer: Callable[..., Trainer],
) -> None:
    plan = interrupted(make_trainer).plan
    before = find_resume_point(plan)
    state = load_last(plan.folder)
    assert before is not None
    assert state is not None
    partial: dict[str, Any] = state["progress"].pop("partial")
    own = partial.pop("rank_states")
    save_last(plan.folder, {**state, "partial": partial, "own": own})
    after = find_resume_point(plan)
    assert after is not None
    one, other = before.progress.partial, after.progress.partial
    assert one is not None
    assert other is not None
    assert_equal(one, other)


def assert_equal(one: PartialEpoch, other: PartialEpoch) -> None:
    first, second = asdict(one), asdict(other)
    (state,), (same,) = first.pop("rank_states"), second.pop("rank_states")
    assert first == second
    assert torch.equal(state["random"], same["random"])
    assert state["buffers"].keys() == same["buffers"].keys()
