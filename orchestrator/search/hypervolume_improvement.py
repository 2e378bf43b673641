"""Expected hypervolume where one objective is uncertain, the others exactly known."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

CELLS_IN_ONE_DIMENSION = 64
CELLS_IN_MORE = 128
BEYOND = 0.03
"""Share of their range by which costs count beyond the largest seen, where nothing says how far
they do: at the largest itself its trial would add nothing, however good."""


class CostCells:
    """Points spread evenly over the box of known costs, each for a cell of the hypervolume.

    A point of objective space (y, k), less being better, dominates y's reach below a ceiling in
    every cell at or above its costs k. So the hypervolume is the cells' mean of what the best y
    among the affordable points leaves below the ceiling, and the expected gain of an uncertain y is
    a mean of expected improvements: a sum, whatever the number of costs.

    Source: the decomposition into strips of Emmerich, Yang, Deutz, Wang, Fonseca 2016, with sampled
    strips; the points are the additive recurrence of Roberts 2018 (generalised golden ratio).
    """

    def __init__(self, low: Array, high: Array) -> None:
        self._points = low + (high - low) * quasi_random_points(len(low))

    def __len__(self) -> int:
        """Return the number of cells."""
        return len(self._points)

    def affordable(self, costs: Array) -> NDArray[np.bool_]:
        """Return for n x k costs which of the cells each may be used in, n x cells."""
        below: NDArray[np.bool_] = costs[:, None, :] <= self._points[None, :, :]
        return np.asarray(below.all(axis=2), dtype=bool)

    def best(self, y: Array, costs: Array, ceiling: float) -> Array:
        """Return each cell's least affordable y; the ceiling where there is none below it."""
        if len(y) == 0:
            return np.full(len(self), ceiling)
        reached = np.where(self.affordable(costs), y[:, None], ceiling).min(axis=0)
        least: Array = np.minimum(reached, ceiling)
        return least

    def best_of_others(self, y: Array, costs: Array, ceiling: float) -> Array:
        """Return for every point each cell's least y among the other points, n x cells."""
        reached = np.where(self.affordable(costs), y[:, None], ceiling)
        if len(y) == 1:
            return np.full_like(reached, ceiling)
        least, second = np.partition(reached, 1, axis=0)[:2]
        others: Array = np.minimum(np.where(reached <= least, second, least), ceiling)
        return others

    def gain(self, mean: Array, deviation: Array, costs: Array, best: Array) -> Array:
        """Return the expected gain of each of n points whose y is normal.

        Args:
            mean: n means of y.
            deviation: n standard deviations of y, > 0.
            costs: n x k known costs.
            best: each cell's least y so far, or n x cells where it differs from point to point.
        """
        z = (best - mean[:, None]) / deviation[:, None]
        density = np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
        improvement = deviation[:, None] * (z * ndtr(z) + density)
        gained: Array = (improvement * self.affordable(costs)).mean(axis=1)
        return gained


def default_cost_bounds(low: Array, high: Array) -> Array:
    """Return the costs up to which hypervolume counts where only what was seen tells.

    Args:
        low: k least costs seen.
        high: k largest costs seen.
    """
    return high + BEYOND * (high - low)


def quasi_random_points(dimensions: int) -> Array:
    """Return points that fill the unit cube evenly, the same ones every time."""
    if dimensions == 0:
        return np.zeros((1, 0))
    if dimensions == 1:
        return ((np.arange(CELLS_IN_ONE_DIMENSION) + 0.5) / CELLS_IN_ONE_DIMENSION)[:, None]
    golden = 2.0
    for _ in range(40):
        golden = (1 + golden) ** (1 / (dimensions + 1))
    steps = golden ** -np.arange(1.0, dimensions + 1)
    points: Array = (0.5 + np.outer(np.arange(1, CELLS_IN_MORE + 1), steps)) % 1.0
    return points
