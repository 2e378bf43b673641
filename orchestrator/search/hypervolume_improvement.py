"""Expected hypervolume improvement where one objective is uncertain and the costs are known."""

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
COST_MARGIN = 0.03
"""Share of the range of observed costs by which hypervolume counts beyond the largest one: at the
largest cost itself, its trial would add no hypervolume, however good it is (docs/adr/0006)."""


class CostCells:
    """Quasi-random points in the box of costs, each standing for a cell of the hypervolume.

    All objectives are minimised: y is uncertain, the k costs are known. In each cell, the
    hypervolume below the reference value of y is what the least y leaves among the points whose
    costs do not exceed the cell's. So hypervolume is a mean over the cells, and the expected
    hypervolume improvement of a normal y is a mean of expected improvements, for any k.

    Source: Emmerich, Yang, Deutz, Wang, Fonseca 2016 (decomposition into strips, sampled here);
    Roberts 2018 (additive recurrence with the generalised golden ratio).
    """

    def __init__(self, low: Array, high: Array) -> None:
        self._points = low + (high - low) * quasi_random_points(len(low))

    def __len__(self) -> int:
        return len(self._points)

    def affordable(self, costs: Array) -> NDArray[np.bool_]:
        """Return n x cells: whether each of n x k costs does not exceed the cell's."""
        below: NDArray[np.bool_] = costs[:, None, :] <= self._points[None, :, :]
        return np.asarray(below.all(axis=2), dtype=bool)

    def best(self, y: Array, costs: Array, reference: float) -> Array:
        """Return each cell's least affordable y, at most the reference value."""
        if len(y) == 0:
            return np.full(len(self), reference)
        attained = np.where(self.affordable(costs), y[:, None], reference).min(axis=0)
        best: Array = np.minimum(attained, reference)
        return best

    def best_of_others(self, y: Array, costs: Array, reference: float) -> Array:
        """Return n x cells: for each point, ``best`` of the n - 1 other points."""
        attained = np.where(self.affordable(costs), y[:, None], reference)
        if len(y) == 1:
            return np.full_like(attained, reference)
        least, second = np.partition(attained, 1, axis=0)[:2]
        others: Array = np.minimum(np.where(attained <= least, second, least), reference)
        return others

    def expected_improvement(self, mean: Array, std: Array, costs: Array, best: Array) -> Array:
        """Return the expected hypervolume improvement of n points, >= 0, in units of y.

        Args:
            mean: n means of y.
            std: n standard deviations of y, > 0.
            costs: n x k costs.
            best: the value to improve on: one per cell, or n x cells.
        """
        z = (best - mean[:, None]) / std[:, None]
        density = np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
        improvement = std[:, None] * (z * ndtr(z) + density)
        expected: Array = (improvement * self.affordable(costs)).mean(axis=1)
        return expected


def default_cost_bounds(low: Array, high: Array) -> Array:
    """Return the costs up to which hypervolume counts where there is no reference point.

    Args:
        low: k least observed costs.
        high: k largest observed costs.
    """
    return high + COST_MARGIN * (high - low)


def quasi_random_points(dimensions: int) -> Array:
    """Return the same n x ``dimensions`` points on every call, evenly spread over [0, 1)."""
    if dimensions == 0:
        return np.zeros((1, 0))
    if dimensions == 1:
        return ((np.arange(CELLS_IN_ONE_DIMENSION) + 0.5) / CELLS_IN_ONE_DIMENSION)[:, None]
    golden = 2.0
    for _ in range(40):  # fixed-point iteration of golden ** (dimensions + 1) = golden + 1
        golden = (1 + golden) ** (1 / (dimensions + 1))
    steps = golden ** -np.arange(1.0, dimensions + 1)
    points: Array = (0.5 + np.outer(np.arange(1, CELLS_IN_MORE + 1), steps)) % 1.0
    return points
