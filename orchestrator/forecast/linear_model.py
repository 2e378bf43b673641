"""Bayesian linear regression."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


class LinearModel:
    """A linear model whose weights are normal, before any data and after.

    Source: Bishop 2006, Pattern Recognition and Machine Learning, section 3.3.
    """

    def __init__(self, mean: ArrayLike, deviation: ArrayLike, *, noise: float) -> None:
        """Take the prior.

        Args:
            mean: Expected values of the k weights.
            deviation: Their standard deviations, > 0.
            noise: Standard deviation of a value around the prediction, > 0.
        """
        self.mean: NDArray[np.floating] = np.asarray(mean, dtype=np.float64)
        self.covariance: NDArray[np.floating] = np.diag(np.square(np.asarray(deviation, float)))
        self.noise = noise

    def fitted(self, rows: ArrayLike, values: ArrayLike) -> LinearModel:
        """Return the posterior after ``values`` at ``rows``; itself where there are none.

        With more values than weights the noise is estimated from the residuals.

        Args:
            rows: n x k features.
            values: n values.
        """
        given: NDArray[np.float64] = np.asarray(rows, dtype=np.float64)
        seen: NDArray[np.float64] = np.asarray(values, dtype=np.float64)
        if not len(seen):
            return self
        before = np.linalg.inv(self.covariance)
        precision = before + given.T @ given / self.noise**2
        after = LinearModel(self.mean, np.ones(len(self.mean)), noise=self.noise)
        after.covariance = np.linalg.inv(precision)
        pull = before @ self.mean + given.T @ seen / self.noise**2
        after.mean = after.covariance @ pull
        if len(seen) > len(self.mean):
            after.noise = max(float(np.std(seen - given @ after.mean)), 0.1 * self.noise)
        return after

    def drawn(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """Return weights drawn from the distribution."""
        drawn: NDArray[np.float64] = rng.multivariate_normal(self.mean, self.covariance)
        return drawn
