from __future__ import annotations

import pickle

from orchestrator.lanes.ray_tune.guards import FirstError, Unsaved


def fails() -> int:
    raise ValueError("the disk is full")


def test_the_first_error_is_kept_and_ends_all_further_actions() -> None:
    first = FirstError()
    assert first.guard(lambda: 1, 0) == 1
    assert first.guard(fails, 0) == 0
    error = first.error
    assert isinstance(error, ValueError)
    calls: list[int] = []
    first.guard(lambda: calls.append(1), None)
    assert not calls
    assert first.error is error


class Stateful(Unsaved):
    def __init__(self) -> None:
        self.handle = lambda: None  # cannot be pickled


def test_an_unsaved_object_is_pickled_without_its_state() -> None:
    assert vars(pickle.loads(pickle.dumps(Stateful()))) == {}  # noqa: S301
