from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.ledger.events import (
    EpochReported,
    TrialAsked,
    TrialEnded,
    TrialJudged,
    TrialStarted,
)
from orchestrator.search.searchers.encoding import Encoder
from orchestrator.search.searchers.trial_observations import TrialObservations
from orchestrator.spec.objectives import Objective
from search_spaces.domains import Float
from search_spaces.space import SearchSpace

SPACE = SearchSpace.of(x=Float(0, 1))


def memory_of(direction: str, *names: str) -> TrialObservations:
    memory = TrialObservations(Encoder(SPACE), Objective("miou", direction))  # type: ignore[arg-type]
    for number, name in enumerate(names):
        memory.observe(TrialAsked(trial_id=name, number=number, config={"x": 0.5}))
    return memory


def epoch(name: str, epochs: int, miou: float) -> EpochReported:
    return EpochReported(trial_id=name, epoch=epochs, metrics={"miou": miou})


def test_the_best_so_far_is_kept_with_less_being_better() -> None:
    memory = memory_of("maximize", "a")
    for epochs, miou in ((1, 0.2), (2, 0.5), (3, 0.4)):
        memory.observe(epoch("a", epochs, miou))
    trial = memory.trials["a"]
    assert (trial.curve, trial.best) == ({1: -0.2, 2: -0.5, 3: -0.5}, -0.5)


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.floats(0, 1)), max_size=40))
def test_the_deepest_come_first_and_the_better_among_them(
    reports: list[tuple[str, float]],
) -> None:
    memory = memory_of("minimize", *"abcdef")
    epochs = dict.fromkeys("abcdef", 0)
    for name, value in reports:
        epochs[name] += 1
        memory.observe(epoch(name, epochs[name], value))
    deepest = memory.deepest(10)
    assert deepest == sorted(deepest, key=lambda trial: trial.rank)
    assert {t.number for t in deepest} == {"abcdef".index(n) for n, e in epochs.items() if e}


def test_half_of_the_chosen_are_the_deepest_the_others_the_latest() -> None:
    memory = memory_of("minimize", *"abcdefgh")
    for name in "abcdefgh":
        memory.observe(epoch(name, 1, 0.5))
    for name in "ab":
        memory.observe(epoch(name, 2, 0.4))
    assert {trial.number for trial in memory.chosen(4)} == {0, 1, 6, 7}
    assert len(memory.chosen(100)) == 8


def test_a_trial_holds_a_lane_unless_paused_or_over() -> None:
    memory = memory_of("minimize", "a", "b", "c")
    memory.observe(TrialJudged(trial_id="a", action="pause", rung=1, rank=1, of=1))
    memory.observe(TrialEnded(trial_id="b", state="stopped"))
    assert [trial.number for trial in memory.running] == [2]
    memory.observe(TrialStarted(trial_id="a", attempt=2))
    assert [trial.number for trial in memory.running] == [0, 2]


def test_failures_and_what_is_no_number_are_remembered_as_such() -> None:
    memory = memory_of("minimize", "a", "b", "c")
    memory.observe(epoch("a", 1, math.nan))
    memory.observe(TrialEnded(trial_id="b", state="failed"))
    memory.observe(TrialEnded(trial_id="c", state="preempted"))
    assert [(trial.number, trial.failed) for trial in memory.seen] == [(0, True), (1, True)]
    assert memory.deepest(5) == []


def test_a_trial_of_an_earlier_sweep_is_not_taken_for_one_of_the_same_number() -> None:
    memory = memory_of("minimize", "w0", "w1")
    for number, name in enumerate(("t0", "t1")):
        memory.observe(TrialAsked(trial_id=name, number=number, config={"x": 0.5}))
    assert [trial.number for trial in memory.trials.values()] == [0, 1, 2, 3]
    for name in ("w0", "w1", "t0", "t1"):
        memory.observe(epoch(name, 1, 0.5))
    memory.observe(epoch("w1", 2, 0.4))
    assert [trial.number for trial in memory.chosen(3)] == [1, 3, 2]


def test_strangers_are_passed_over() -> None:
    memory = memory_of("minimize", "a")
    memory.observe(epoch("stranger", 1, 0.5))
    assert memory.seen == []
