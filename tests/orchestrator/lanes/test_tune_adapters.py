from __future__ import annotations

import pickle
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.lanes.tune_adapters import FirstError, Unsaved
from orchestrator.ledger.events import TrialAsked
from orchestrator.search.schedulers.base import Decision
from trainables.config import DataConfig, TargetConfig, TrainingConfig
from trainables.session.messages import EpochDone, Interrupted, TrialDone, TrialMessage, TrialTask

if TYPE_CHECKING:
    from collections.abc import Callable


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


pytestmark = pytest.mark.slow  # imports Ray


def task_of(asked: TrialAsked) -> TrialTask:
    return TrialTask(
        sweep_id="s",
        trial_id=asked.trial_id,
        config={},
        seed=0,
        epochs=1,
        data=DataConfig(),
        training=TrainingConfig(),
        target=TargetConfig(),
        cache_dir="",
        output_dir="",
    )


class Sweep:
    """Proposes ``trials`` trials and records the calls of the adapters."""

    def __init__(self, trials: int = 0, action: Any = "continue") -> None:
        self.remaining = trials
        self.action = action
        self.calls: list[tuple[object, ...]] = []

    @property
    def proposes(self) -> bool:
        return self.remaining > 0

    def next_trial(self) -> tuple[TrialAsked, int] | None:
        if not self.remaining:
            return None
        self.remaining -= 1
        return TrialAsked(trial_id=f"t{self.remaining}", number=0, config={}), 1

    def epoch(self, trial_id: str, epoch: int, _metrics: object) -> Decision:
        self.calls.append((trial_id, epoch))
        return Decision(action=self.action)

    def interrupted(self, *arguments: object) -> None:
        self.calls.append(arguments)

    def ended(self, trial_id: str, state: str, *_: object) -> None:
        self.calls.append((trial_id, state))


class Broker:
    """Records remote calls, by method."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, object]] = []

    def __getattr__(self, method: str) -> Any:
        def remote(argument: object) -> None:
            self.calls.append((method, argument))

        return SimpleNamespace(remote=remote)


def search_of(sweep: Any, *, lanes: int = 2, **options: Any) -> Any:
    from orchestrator.lanes.tune_adapters import SearchAdapter

    return SearchAdapter(sweep, task_of, lambda: lanes, first_error=FirstError(), **options)


def test_no_more_trials_are_suggested_than_there_are_lanes() -> None:
    expected: list[int] = []
    search = search_of(Sweep(5), expect_actors=expected.append)
    first = search.suggest("ticket0")
    assert search.suggest("ticket1") is not None
    assert search.suggest("ticket2") is None
    assert len(search.unfinished) == 2
    search.on_trial_complete("ticket0")
    assert search.suggest("ticket3") != first
    assert expected == [1, 2], "the barrier expects the largest number of actors"


def test_a_search_finishes_with_the_sweep_or_after_its_maximum() -> None:
    search = search_of(Sweep(1))
    assert isinstance(search.suggest("a"), dict)
    assert search.suggest("b") == search.FINISHED
    assert not search.is_full
    full = search_of(Sweep(9), max_trials=1)
    full.suggest("a")
    assert full.suggest("b") == full.FINISHED
    assert full.is_full


def test_unfinished_trials_of_an_earlier_run_come_first() -> None:
    search = search_of(Sweep(1), unfinished=[{"task": "x", "ticket": "old"}])
    assert search.suggest("a") == {"task": "x", "ticket": "old"}
    assert search.suggest("b")["ticket"] == "b"


def test_an_error_of_the_sweep_finishes_the_search() -> None:
    sweep = Sweep(1)
    search = search_of(sweep)
    sweep.next_trial = fail  # type: ignore[method-assign]
    assert search.suggest("a") == search.FINISHED


def fail() -> None:
    raise OSError("the ledger cannot be written")


@pytest.fixture
def schedule() -> Callable[[Sweep, Broker], tuple[Any, Any]]:
    from orchestrator.lanes.tune_adapters import ScheduleAdapter, config_of

    def make(sweep: Any, broker: Broker) -> tuple[Any, Any]:
        asked = TrialAsked(trial_id="t", number=0, config={})
        trial = SimpleNamespace(
            config=config_of(task_of(asked), "ticket"),
            status="RUNNING",
            ERROR="ERROR",
            error_file="error.txt",
            should_recover=lambda: True,
        )
        return ScheduleAdapter(sweep, broker, FirstError(), {}), trial

    return make


def result(last: int, *messages: TrialMessage) -> dict[str, Any]:
    return {"messages": pickle.dumps(list(messages)), "number": last}


def epoch(number: int) -> EpochDone:
    return EpochDone(trial_id="t", epoch=number, metrics={})


DONE = TrialDone(trial_id="t", state="complete", reason="", metrics={})


def test_messages_that_are_delivered_again_are_recorded_once(schedule: Any) -> None:
    sweep = Sweep()
    adapter, trial = schedule(sweep, Broker())
    adapter.on_trial_result(None, trial, result(0, epoch(1)))
    adapter.on_trial_result(None, trial, result(1, epoch(1), epoch(2)))
    interruption = Interrupted(trial_id="t", cause="worker", reason="killed")
    adapter.on_trial_complete(None, trial, result(3, interruption, DONE))
    assert sweep.calls == [("t", 1), ("t", 2), ("t", "worker", "killed"), ("t", "complete")]


@pytest.mark.parametrize("action", ["stop", "pause"])
def test_a_decision_other_than_continue_cancels_the_trial(schedule: Any, action: str) -> None:
    broker = Broker()
    adapter, trial = schedule(Sweep(action=action), broker)
    adapter.on_trial_result(None, trial, result(0, epoch(1)))
    assert broker.calls == [("cancel", "t")]


def test_only_a_trial_that_tune_gives_up_is_preempted(schedule: Any) -> None:
    sweep, broker = Sweep(), Broker()
    adapter, trial = schedule(sweep, broker)
    trial.status = trial.ERROR
    adapter.on_trial_error(None, trial)
    assert not sweep.calls
    trial.should_recover = lambda: False
    adapter.on_trial_error(None, trial)
    assert sweep.calls == [("t", "preempted")]
    assert broker.calls == [("cancel", "t")]
