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


def observations_of(direction: str, *names: str) -> TrialObservations:
    observations = TrialObservations(Encoder(SPACE), Objective("miou", direction))  # type: ignore[arg-type]
    for number, name in enumerate(names):
        observations.observe(TrialAsked(trial_id=name, number=number, config={"x": 0.5}))
    return observations


def epoch(name: str, epochs: int, miou: float) -> EpochReported:
    return EpochReported(trial_id=name, epoch=epochs, metrics={"miou": miou})


def test_the_curve_holds_the_minimised_best_so_far() -> None:
    observations = observations_of("maximize", "a")
    for epochs, miou in ((1, 0.2), (2, 0.5), (3, 0.4)):
        observations.observe(epoch("a", epochs, miou))
    trial = observations.trials["a"]
    assert (trial.curve, trial.best) == ({1: -0.2, 2: -0.5, 3: -0.5}, -0.5)


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.floats(0, 1)), max_size=40))
def test_trials_are_sorted_by_epochs_then_by_value(
    reports: list[tuple[str, float]],
) -> None:
    observations = observations_of("minimize", *"abcdef")
    epochs = dict.fromkeys("abcdef", 0)
    for name, value in reports:
        epochs[name] += 1
        observations.observe(epoch(name, epochs[name], value))
    trials = observations.longest(10)
    assert trials == sorted(trials, key=lambda trial: trial.sort_key)
    assert {t.number for t in trials} == {"abcdef".index(n) for n, e in epochs.items() if e}


def test_the_training_set_has_the_longest_and_the_latest_trials() -> None:
    observations = observations_of("minimize", *"abcdefgh")
    for name in "abcdefgh":
        observations.observe(epoch(name, 1, 0.5))
    for name in "ab":
        observations.observe(epoch(name, 2, 0.4))
    assert {trial.number for trial in observations.training_set(4)} == {0, 1, 6, 7}
    assert len(observations.training_set(100)) == 8


def test_paused_and_ended_trials_are_not_running() -> None:
    observations = observations_of("minimize", "a", "b", "c")
    observations.observe(TrialJudged(trial_id="a", action="pause", rung=1, rank=1, of=1))
    observations.observe(TrialEnded(trial_id="b", state="stopped"))
    assert [trial.number for trial in observations.running] == [2]
    observations.observe(TrialStarted(trial_id="a", attempt=2))
    assert [trial.number for trial in observations.running] == [0, 2]


def test_failures_and_nan_count_as_failed() -> None:
    observations = observations_of("minimize", "a", "b", "c")
    observations.observe(epoch("a", 1, math.nan))
    observations.observe(TrialEnded(trial_id="b", state="failed"))
    observations.observe(TrialEnded(trial_id="c", state="preempted"))
    assert [(trial.number, trial.failed) for trial in observations.observed] == [
        (0, True),
        (1, True),
    ]
    assert observations.longest(5) == []


def test_earlier_trials_have_numbers_of_their_own() -> None:
    observations = observations_of("minimize", "w0", "w1")
    for number, name in enumerate(("t0", "t1")):
        observations.observe(TrialAsked(trial_id=name, number=number, config={"x": 0.5}))
    assert [trial.number for trial in observations.trials.values()] == [0, 1, 2, 3]
    for name in ("w0", "w1", "t0", "t1"):
        observations.observe(epoch(name, 1, 0.5))
    observations.observe(epoch("w1", 2, 0.4))
    assert [trial.number for trial in observations.training_set(3)] == [1, 3, 2]


def test_events_of_unknown_trials_are_ignored() -> None:
    observations = observations_of("minimize", "a")
    observations.observe(epoch("unknown", 1, 0.5))
    assert observations.observed == []
