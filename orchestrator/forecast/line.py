"""A straight line with what is not known about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


class Line:
    """A linear model whose weights are normal, before any data and after.

    Source: Bishop 2006, Pattern Recognition and Machine Learning, section 3.3.
    """

    def __init__(self, mean: ArrayLike, deviation: ArrayLike, *, noise: float) -> None:
        """Take what is believed before any data.

        Args:
            mean: The k weights to expect.
            deviation: Their standard deviations, > 0.
            noise: Standard deviation of a value around the line, > 0.
        """
        self.mean: NDArray[np.floating] = np.asarray(mean, dtype=np.float64)
        self.covariance: NDArray[np.floating] = np.diag(np.square(np.asarray(deviation, float)))
        self.noise = noise

    def fitted(self, rows: ArrayLike, values: ArrayLike) -> Line:
        """Return the line after ``values`` were seen at ``rows``; itself where there are none.

        The noise becomes that around the new line, as far as there are more values than weights.

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
        after = Line(self.mean, np.ones(len(self.mean)), noise=self.noise)
        after.covariance = np.linalg.inv(precision)
        pull = before @ self.mean + given.T @ seen / self.noise**2
        after.mean = after.covariance @ pull
        if len(seen) > len(self.mean):
            after.noise = max(float(np.std(seen - given @ after.mean)), 0.1 * self.noise)
        return after

    def drawn(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """Return weights that may be the true ones."""
        drawn: NDArray[np.float64] = rng.multivariate_normal(self.mean, self.covariance)
        return drawn
