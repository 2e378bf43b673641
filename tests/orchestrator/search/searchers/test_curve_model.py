from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.ledger.events import EpochReported, TrialAsked, TrialEnded
from orchestrator.search.searchers import curve_model
from orchestrator.search.searchers.curve_model import FIRST_FIT, CurveModel, OutlierWarp
from orchestrator.search.searchers.encoding import Encoder
from orchestrator.search.searchers.gaussian_process import Hyperparameters, Inputs
from orchestrator.search.searchers.trial_observations import TrialObservations
from orchestrator.spec.objectives import Objective
from search_spaces.domains import Float
from search_spaces.space import SearchSpace

if TYPE_CHECKING:
    from search_spaces.space import Config

SPACE = SearchSpace.of(x=Float(0, 1))
EPOCHS = 9
values = st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=20)


def observations_of(trials: int, failed: int = 0) -> TrialObservations:
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
    posterior, fantasies = model_of(observations_of(20)).posterior([])
    mean, std = posterior.predict(Inputs.at_end(np.array([[0.1], [0.9]])))
    assert fantasies.size == 0
    assert mean[0] < mean[1]
    assert mean == pytest.approx([0.1 + 1 / 9, 0.9 + 1 / 9], abs=0.1)
    assert (std > 0).all()


def test_pending_trials_have_their_predicted_means_as_fantasies() -> None:
    observations = observations_of(20)
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
    model = model_of(observations_of(10, failed=10))
    posterior, _ = model.posterior([])
    mean, _ = posterior.predict(Inputs.at_end(np.array([[0.1], [1.0]])))
    assert mean[1] > mean[0] + 0.3


def test_the_reference_value_is_warped_or_a_quantile() -> None:
    model = model_of(observations_of(10))
    assert model.reference(0.5) == 0.5
    assert model.reference(1e6) < 100
    assert 0.0 < model.reference(None) < model.reference(1e6)


def test_hyperparameters_are_fitted_as_the_trials_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    fits: list[int] = []

    def fit(inputs: Inputs, *others: Hyperparameters, **_: object) -> Hyperparameters:
        fits.append(len(set(inputs.trial.tolist())))
        return others[-1]

    monkeypatch.setattr(curve_model, "fit", fit)
    observations = observations_of(FIRST_FIT - 1)
    model = model_of(observations)
    model.fit_if_due()
    assert not fits
    for number in range(FIRST_FIT - 1, 25):
        observations.observe(TrialAsked(trial_id=f"n{number}", number=number, config={"x": 0.5}))
        observations.observe(EpochReported(trial_id=f"n{number}", epoch=1, metrics={"error": 1.0}))
        model.fit_if_due()
    assert fits == [10, 13, 17, 22]
