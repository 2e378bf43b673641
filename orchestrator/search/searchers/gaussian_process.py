"""Gaussian-process regression over configurations, epochs and trials."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import numpy as np
from scipy.linalg import (  # type: ignore[import-untyped]
    cho_solve,
    cholesky,
    solve_triangular,
)
from scipy.optimize import minimize  # type: ignore[import-untyped]
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_P = ParamSpec("_P")
_R = TypeVar("_R")
ROOT5 = math.sqrt(5.0)
TREND = 4.0
"""Prior variance of the level, and of the mean curve over time, in units of the variance of y."""
TIME_SCALE = 0.6
"""Length scale of learning curves; the first and last epoch are at distance 1."""
JITTER = 1e-6
"""Added to the diagonal, so that equal rows keep the kernel positive definite."""
NO_TRIAL = -1
"""Trial number of rows that belong to no trial."""
_POOLS = ThreadpoolController()


def one_thread(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Return ``function`` limited to one BLAS thread.

    With these small matrices, more threads take twice the time, and the cores of running trials.
    """
    limited: Callable[_P, _R] = _POOLS.wrap(limits=1, user_api="blas")(function)
    return limited


@dataclass(frozen=True, kw_only=True, slots=True)
class Hyperparameters:
    """Logarithms of the kernel's hyperparameters; variances are in units of the variance of y."""

    log_scales: Array
    """Length scales, one per group of columns."""
    log_shared: float
    """Variance of a configuration's effect that is constant in time."""
    log_changing: float
    """Variance of a configuration's effect that changes in time."""
    log_trial: float
    """Variance of a trial's own effect, which the points of its curve share."""
    log_noise: float
    """Variance of the noise."""

    @classmethod
    def initial(cls, dimensions: int) -> Hyperparameters:
        """Return initial values; length scales grow with the number of dimensions."""
        scale = math.log(0.5) + 0.5 * math.log(max(1, dimensions) / 2)
        return cls(
            log_scales=np.full(dimensions, scale),
            log_shared=0.0,
            log_changing=math.log(0.3),
            log_trial=math.log(0.02),
            log_noise=math.log(0.03),
        )

    def to_vector(self) -> Array:
        """Return all hyperparameters as one vector, the variances last."""
        variances = [self.log_shared, self.log_changing, self.log_trial, self.log_noise]
        return np.append(self.log_scales, variances)

    @classmethod
    def from_vector(cls, vector: Array) -> Hyperparameters:
        """Return the hyperparameters of a vector made by ``to_vector``."""
        shared, changing, trial, noise = (float(value) for value in vector[-4:])
        return cls(
            log_scales=vector[:-4],
            log_shared=shared,
            log_changing=changing,
            log_trial=trial,
            log_noise=noise,
        )


@dataclass(frozen=True, slots=True)
class Inputs:
    """n rows: a configuration, a time and a trial each."""

    x: Array
    """n x d encoded configurations."""
    t: Array
    """n times: logarithms of epochs, scaled to 0 for the first and 1 for the last epoch."""
    trial: NDArray[np.intp]
    """n trial numbers, ``NO_TRIAL`` for rows of no trial."""

    @classmethod
    def at_end(cls, x: Array, trials: Sequence[int] | None = None) -> Inputs:
        """Return rows at full training, of ``trials`` or of no trial."""
        numbers = [NO_TRIAL] * len(x) if trials is None else trials
        return cls(x, np.ones(len(x)), np.array(numbers, dtype=np.intp))

    def __add__(self, other: Inputs) -> Inputs:
        """Return the concatenated rows."""
        return Inputs(
            np.vstack([self.x, other.x]),
            np.append(self.t, other.t),
            np.append(self.trial, other.trial),
        )


class Posterior:
    """Posterior of the Gaussian process given n observations.

    Args:
        inputs: n rows.
        y: n observed values.
        groups: index of each column's length scale.
        h: hyperparameters.
    """

    @one_thread
    def __init__(
        self, inputs: Inputs, y: Array, groups: NDArray[np.intp], h: Hyperparameters
    ) -> None:
        self._inputs = inputs
        self._weights = _column_weights(h, groups)
        self._h = h
        self._mean = float(y.mean())
        self._std = float(y.std()) or 1.0
        kernel = _kernel(inputs, inputs, self._weights, h)
        kernel[np.diag_indices_from(kernel)] += math.exp(h.log_noise) + JITTER
        self._factor = cholesky(kernel, lower=True, check_finite=False)
        standard = (y - self._mean) / self._std
        self._alpha = cho_solve((self._factor, True), standard, check_finite=False)

    @one_thread
    def predict(self, inputs: Inputs) -> tuple[Array, Array]:
        """Return m means and standard deviations (without noise) at ``inputs``, in units of y.

        Rows of no trial leave out the variance of a trial's own effect.
        """
        cross = _kernel(inputs, self._inputs, self._weights, self._h)
        mean = self._mean + self._std * (cross @ self._alpha)
        solved = solve_triangular(self._factor, cross.T, lower=True, check_finite=False)
        prior = math.exp(self._h.log_shared) + math.exp(self._h.log_changing) + 2 * TREND
        prior = prior + math.exp(self._h.log_trial) * (inputs.trial != NO_TRIAL)
        variance = np.maximum(prior - np.einsum("ij,ij->j", solved, solved), 1e-10)
        return mean, self._std * np.sqrt(variance)

    @one_thread
    def predict_mean(self, inputs: Inputs) -> Array:
        """Return the m means alone, which is much cheaper."""
        cross = _kernel(inputs, self._inputs, self._weights, self._h)
        mean: Array = self._mean + self._std * (cross @ self._alpha)
        return mean


@one_thread
def fit(
    inputs: Inputs, y: Array, groups: NDArray[np.intp], start: Hyperparameters, *, steps: int = 30
) -> Hyperparameters:
    """Return the maximum a posteriori hyperparameters, found from ``start`` by L-BFGS-B.

    Args:
        inputs: n rows.
        y: n observed values.
        groups: index of each column's length scale.
        start: initial hyperparameters.
        steps: iterations, at most.
    """
    standard = (y - y.mean()) / (float(y.std()) or 1.0)
    count = len(start.log_scales)
    squares = (inputs.x[:, None, :] - inputs.x[None, :, :]) ** 2
    per_dimension = np.stack([squares[:, :, groups == g].sum(axis=2).ravel() for g in range(count)])
    prior_mean = Hyperparameters.initial(count).to_vector()
    prior_mean[-1] = math.log(0.02)
    prior_std = np.append(np.full(count, 1.0), [1.0, 1.0, 1.5, 1.5])
    time_kernel = _time_kernel(inputs.t, inputs.t)
    trial_kernel = _trial_kernel(inputs, inputs, time_kernel)

    def loss(vector: Array) -> tuple[float, Array]:
        value, gradient = _negative_log_likelihood(
            vector, standard, per_dimension, time_kernel, trial_kernel
        )
        away = (vector - prior_mean) / prior_std
        return value + 0.5 * float(away @ away), gradient + away / prior_std

    limits = [(-3.5, 3.5)] * count + [(-5.0, 3.0), (-6.0, 3.0), (-9.0, 1.0), (-9.0, 1.0)]
    optimum = minimize(
        loss,
        start.to_vector(),
        jac=True,
        method="L-BFGS-B",
        bounds=limits,
        options={"maxiter": steps},
    )
    return Hyperparameters.from_vector(np.asarray(optimum.x))


def _negative_log_likelihood(
    vector: Array, y: Array, per_dimension: Array, time_kernel: Array, trial_kernel: Array
) -> tuple[float, Array]:
    h = Hyperparameters.from_vector(vector)
    n = len(y)
    weights = np.exp(-2 * h.log_scales)
    distance = (weights @ per_dimension).reshape(n, n)
    root = np.sqrt(distance)
    decay = np.exp(-ROOT5 * root)
    matern = (1 + ROOT5 * root + 5 / 3 * distance) * decay
    slope = -(5 / 6) * (1 + ROOT5 * root) * decay
    shared, changing, trial, noise = (math.exp(v) for v in vector[-4:])
    factor_t = shared + changing * time_kernel
    kernel = matern * factor_t + TREND * (1 + time_kernel) + trial * trial_kernel
    kernel[np.diag_indices(n)] += noise + JITTER
    try:
        lower = cholesky(kernel, lower=True, check_finite=False)
    except np.linalg.LinAlgError:
        return 1e10, np.zeros_like(vector)
    inverse = cho_solve((lower, True), np.eye(n), check_finite=False)
    alpha = inverse @ y
    value = 0.5 * float(y @ alpha) + float(np.log(np.diag(lower)).sum())
    # d(value)/d(kernel), entry by entry
    by_kernel = 0.5 * (inverse - np.outer(alpha, alpha))
    by_distance = (by_kernel * factor_t * slope).ravel()
    gradient = np.append(
        -2 * weights * (per_dimension @ by_distance),
        [
            shared * float((by_kernel * matern).sum()),
            changing * float((by_kernel * matern * time_kernel).sum()),
            trial * float((by_kernel * trial_kernel).sum()),
            noise * float(np.trace(by_kernel)),
        ],
    )
    return value, gradient


def _column_weights(h: Hyperparameters, groups: NDArray[np.intp]) -> Array:
    weights: Array = np.exp(-h.log_scales)[groups]
    return weights


def _kernel(a: Inputs, b: Inputs, weights: Array, h: Hyperparameters) -> Array:
    xa, xb = a.x * weights, b.x * weights
    distance = (
        np.einsum("ij,ij->i", xa, xa)[:, None] + np.einsum("ij,ij->i", xb, xb)[None, :]
    ) - 2 * xa @ xb.T
    np.maximum(distance, 0.0, out=distance)
    # Candidates all have the time of full training, so one row of the time kernel serves them all.
    same_time = len(a.t) > 0 and bool((a.t == a.t[0]).all())
    time_kernel = _time_kernel(a.t[:1] if same_time else a.t, b.t)
    value = _matern(distance)
    value *= math.exp(h.log_shared) + math.exp(h.log_changing) * time_kernel
    value += TREND * (1 + time_kernel)
    if (a.trial != NO_TRIAL).any():
        value += math.exp(h.log_trial) * _trial_kernel(a, b, time_kernel)
    return value


def _matern(distance: Array) -> Array:
    """Return the Matern-5/2 kernel of squared distances, which it overwrites to save memory."""
    root = np.sqrt(distance)
    root *= ROOT5
    value: Array = 1 + root
    distance *= 5 / 3
    value += distance
    np.negative(root, out=root)
    np.exp(root, out=root)
    value *= root
    return value


def _trial_kernel(a: Inputs, b: Inputs, time_kernel: Array) -> Array:
    """Return the kernel of a trial's own effect: half constant in time, half changing."""
    same = (a.trial[:, None] == b.trial[None, :]) & (a.trial[:, None] != NO_TRIAL)
    value: Array = np.where(same, 0.5 * (1 + time_kernel), 0.0)
    return value


def _time_kernel(a: Array, b: Array) -> Array:
    value: Array = np.exp(-0.5 * ((a[:, None] - b[None, :]) / TIME_SCALE) ** 2)
    return value
