"""A growing Pareto front with its hypervolume."""

from __future__ import annotations

from typing import TYPE_CHECKING

import moocore
import numpy as np

from orchestrator.search.pareto import as_minimised, reference_values, with_point

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.spec.objectives import Objective


class GrowingFront:
    """Keeps the points that no other one dominates, at the cost of the front's size a point."""

    def __init__(
        self, objectives: Sequence[Objective], reference_point: Mapping[str, float]
    ) -> None:
        self._objectives = tuple(objectives)
        self._reference = reference_values(objectives, reference_point)
        self._front = np.empty((0, len(self._objectives)))
        self.hypervolume = 0.0
        """Volume that the points so far dominate, >= 0."""

    def add(self, point: Sequence[float]) -> bool:
        """Take in one point; return whether the hypervolume grew. NaN never grows it."""
        value = as_minimised([list(point)], self._objectives)[0]
        grown = with_point(self._front, value) if (value < self._reference).all() else None
        if grown is None:
            return False
        self._front = grown
        self.hypervolume = float(moocore.hypervolume(self._front, ref=self._reference))
        return True
