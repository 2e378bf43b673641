from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_info  # type: ignore[import-untyped]

from orchestrator.search.searchers.gaussian_process import (
    Hyperparameters,
    Inputs,
    Posterior,
    _negative_log_likelihood,
    _time_kernel,
    _trial_kernel,
    fit,
    one_thread,
)

GROUPS = np.array([0, 1, 1])


def observations(count: int, seed: int = 0) -> tuple[Inputs, np.ndarray]:
    """Return one value per trial, which depends on the first column and falls with time."""
    rng = np.random.default_rng(seed)
    x, t = rng.random((count, 3)), rng.choice([0.0, 0.5, 1.0], count)
    return Inputs(x, t, np.arange(count)), np.sin(6 * x[:, 0]) - t + 0.01 * rng.standard_normal(
        count
    )


def test_the_gradient_equals_finite_differences() -> None:
    rows, y = observations(25)
    inputs = Inputs(rows.x, rows.t, np.arange(25) // 3)
    squares = (inputs.x[:, None, :] - inputs.x[None, :, :]) ** 2
    per_dimension = np.stack([squares[:, :, g == GROUPS].sum(axis=2).ravel() for g in (0, 1)])
    time_kernel = _time_kernel(inputs.t, inputs.t)
    kernels = (per_dimension, time_kernel, _trial_kernel(inputs, inputs, time_kernel))
    at = np.array([-0.4, 0.3, 0.1, -1.0, -1.5, -2.0])
    _, gradient = _negative_log_likelihood(at, y, *kernels)
    for i in range(len(at)):
        step = np.zeros_like(at)
        step[i] = 1e-5
        above, _ = _negative_log_likelihood(at + step, y, *kernels)
        below, _ = _negative_log_likelihood(at - step, y, *kernels)
        assert gradient[i] == pytest.approx((above - below) / 2e-5, rel=1e-4, abs=1e-6)


def test_a_fit_finds_the_length_scales_and_predicts() -> None:
    inputs, y = observations(80)
    fitted = fit(inputs, y, GROUPS, Hyperparameters.initial(2))
    assert fitted.log_scales[1] > fitted.log_scales[0] + 1
    posterior = Posterior(inputs, y, GROUPS, fitted)
    fresh, truth = observations(200, seed=1)
    mean, std = posterior.predict(fresh)
    assert np.sqrt(np.mean((mean - truth) ** 2)) < 0.1
    assert posterior.predict_mean(fresh) == pytest.approx(mean)
    assert (std > 0).all()


def test_the_posterior_is_wider_far_from_the_data() -> None:
    inputs, y = observations(40)
    near = Inputs(inputs.x * 0.5, inputs.t, inputs.trial)
    posterior = Posterior(near, y, GROUPS, Hyperparameters.initial(2))
    _, near_std = posterior.predict(near)
    _, far_std = posterior.predict(Inputs(near.x + 3.0, near.t, np.arange(40, 80)))
    assert far_std.min() > 2 * near_std.max()


def test_a_trial_is_predicted_better_from_its_own_curve() -> None:
    trials, points = 60, 4
    rng = np.random.default_rng(2)
    x = np.repeat(rng.random((trials, 3)), points, axis=0)
    times = np.linspace(0, 1, points)
    shape = 0.2 * np.sqrt(0.5) * np.linalg.cholesky(1 + _time_kernel(times, times) + 1e-9)
    own_effects = rng.standard_normal((trials, points)) @ shape.T
    t = np.tile(times, trials)
    rows = Inputs(x, t, np.repeat(np.arange(trials), points))
    y = np.sin(6 * x[:, 0]) - t + own_effects.ravel() + 0.02 * rng.standard_normal(len(x))
    seen = (t < 1) | (rows.trial < 20)
    rows = Inputs(rows.x[seen], rows.t[seen], rows.trial[seen])
    fitted = fit(rows, y[seen], GROUPS, Hyperparameters.initial(2))
    assert fitted.log_trial > fitted.log_noise + 2
    posterior = Posterior(rows, y[seen], GROUPS, fitted)
    by_curve, _ = posterior.predict(Inputs.at_end(x[~seen], list(range(20, trials))))
    by_config, _ = posterior.predict(Inputs.at_end(x[~seen]))
    assert np.abs(by_curve - y[~seen]).mean() < 0.7 * np.abs(by_config - y[~seen]).mean()


def test_equal_values_are_fitted() -> None:
    inputs, _ = observations(12)
    y = np.full(12, 0.3)
    hyperparameters = fit(inputs, y, GROUPS, Hyperparameters.initial(2))
    mean, _ = Posterior(inputs, y, GROUPS, hyperparameters).predict(inputs)
    assert mean == pytest.approx(y)


def test_linear_algebra_is_limited_to_one_thread() -> None:
    def threads() -> list[int]:
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    before = threads()
    within = one_thread(threads)()
    assert within
    assert set(within) == {1}
    assert threads() == before
