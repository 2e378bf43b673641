from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.ledger.events import (
    EpochReported,
    TrialAsked,
    TrialEnded,
    TrialJudged,
    TrialStarted,
)
from orchestrator.search.searchers import learning_curves
from orchestrator.search.searchers.encoding import Encoder
from orchestrator.search.searchers.gaussian_process import Hyperparameters, Inputs
from orchestrator.search.searchers.learning_curves import (
    FIRST_FIT,
    CurveModel,
    OutlierWarp,
    TrialObservations,
)
from orchestrator.spec.objectives import Objective
from search_spaces.domains import Float
from search_spaces.space import SearchSpace

if TYPE_CHECKING:
    from search_spaces.space import Config


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


EPOCHS = 9
values = st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=20)


def full_trainings(trials: int, failed: int = 0) -> TrialObservations:
    """Return full trainings with the error x at their end, and failed trials."""
    observations = TrialObservations(Encoder(SPACE), Objective("error", "minimize"))
    for number in range(trials + failed):
        name, x = f"t{number}", (number + 0.5) / trials
        config: Config = {"x": min(x, 1.0)}
        observations.observe(TrialAsked(trial_id=name, number=number, config=config))
        if number >= trials:
            observations.observe(TrialEnded(trial_id=name, state="failed"))
            continue
        for epoch in range(1, EPOCHS + 1):
            metrics = {"error": x + 1 / epoch}
            observations.observe(EpochReported(trial_id=name, epoch=epoch, metrics=metrics))
        observations.observe(TrialEnded(trial_id=name, state="complete"))
    return observations


def model_of(observations: TrialObservations) -> CurveModel:
    return CurveModel(Encoder(SPACE), observations, max_epochs=EPOCHS)


@given(values)
def test_the_warp_keeps_the_order_and_the_better_half(numbers: list[float]) -> None:
    array = np.sort(numbers)
    warp = OutlierWarp.of(array)
    warped = warp(array)
    assert (np.diff(warped) >= 0).all()
    better = array <= warp.threshold
    assert better.mean() >= 0.5
    assert np.array_equal(warped[better], array[better])


def test_the_warp_draws_outliers_in() -> None:
    warp = OutlierWarp.of(np.array([0.0, 0.1, 0.2, 0.3, 1e6]))
    assert warp(np.array([1e6]))[0] < 5
    assert warp(np.array([math.inf]))[0] == math.inf


def test_predictions_at_full_training_follow_the_curves() -> None:
    posterior, fantasies = model_of(full_trainings(20)).posterior([])
    mean, std = posterior.predict(Inputs.at_end(np.array([[0.1], [0.9]])))
    assert fantasies.size == 0
    assert mean[0] < mean[1]
    assert mean == pytest.approx([0.1 + 1 / 9, 0.9 + 1 / 9], abs=0.1)
    assert (std > 0).all()


def test_pending_trials_have_their_predicted_means_as_fantasies() -> None:
    observations = full_trainings(20)
    observations.observe(TrialAsked(trial_id="p", number=20, config={"x": 0.33}))
    model, pending = model_of(observations), observations.running
    before, _ = model.posterior([])
    after, fantasies = model.posterior(pending)
    vectors = np.array([[0.33]])
    mean_before, std_before = before.predict(Inputs.at_end(vectors))
    mean_after, std_after = after.predict(Inputs.at_end(vectors))
    assert fantasies == pytest.approx(mean_before)
    assert mean_after == pytest.approx(mean_before, abs=0.01)
    assert std_after[0] < std_before[0]


def test_failed_trials_count_as_the_worst() -> None:
    model = model_of(full_trainings(10, failed=10))
    posterior, _ = model.posterior([])
    mean, _ = posterior.predict(Inputs.at_end(np.array([[0.1], [1.0]])))
    assert mean[1] > mean[0] + 0.3


def test_the_reference_value_is_warped_or_a_quantile() -> None:
    model = model_of(full_trainings(10))
    assert model.reference(0.5) == 0.5
    assert model.reference(1e6) < 100
    assert 0.0 < model.reference(None) < model.reference(1e6)


def test_hyperparameters_are_fitted_as_the_trials_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    fits: list[int] = []

    def fit(inputs: Inputs, *others: Hyperparameters, **_: object) -> Hyperparameters:
        fits.append(len(set(inputs.trial.tolist())))
        return others[-1]

    monkeypatch.setattr(learning_curves, "fit", fit)
    observations = full_trainings(FIRST_FIT - 1)
    model = model_of(observations)
    model.fit_if_due()
    assert not fits
    for number in range(FIRST_FIT - 1, 25):
        observations.observe(TrialAsked(trial_id=f"n{number}", number=number, config={"x": 0.5}))
        observations.observe(EpochReported(trial_id=f"n{number}", epoch=1, metrics={"error": 1.0}))
        model.fit_if_due()
    assert fits == [10, 13, 17, 22]
