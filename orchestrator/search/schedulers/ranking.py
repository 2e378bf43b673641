"""Ranks the trials at one rung."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from orchestrator.search.hypervolume_improvement import CostCells, default_cost_bounds
from orchestrator.search.pareto import as_minimised, crowding_distance, non_dominated_ranks
from orchestrator.spec.objectives import Objective

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

REFERENCE_QUANTILE = 0.8
"""Quantile of the curve objective at a rung that is its reference value; worse ones add nothing."""
FIRST_STD = 0.5
"""Standard deviation of a curve objective's change until full training, at the first epoch, in
units of the distance between the rung's best tenth and its median."""
LAST_STD = 0.1
"""Share of ``FIRST_STD`` that is added at every epoch, so that some is left at full training."""


class Ranking:
    """Ranks trials by the hypervolume that each adds to that of the others.

    With one curve objective and known costs, the value is an expected hypervolume improvement: the
    curve objective is uncertain, more so at early rungs, where learning curves still cross.
    Non-dominated sorting alone would keep the cheapest trials, however bad their curve. Without a
    reference value for every objective, the best curve objective ranks first at any cost, and costs
    count up to slightly beyond the rung's largest.

    With several curve objectives, or before any cost is known, trials are sorted by non-dominated
    rank, then by crowding distance. Ties keep their order. Trials with NaN are last. Objectives
    without a value of any trial are left out.

    Source: Schmucker et al. 2021, Multi-objective Asynchronous Successive Halving (ranks); Deb et
    al. 2002, NSGA-II (crowding distance).
    """

    def __init__(
        self,
        objectives: Sequence[Objective],
        *,
        max_epochs: int,
        reference_point: Mapping[str, float] | None = None,
    ) -> None:
        self._objectives = tuple(objectives)
        self._log_epochs = math.log(max(2, max_epochs))
        self._reference = dict(reference_point or {})

    def order(
        self, values: Sequence[Sequence[float]], *, epochs: int, curve_objectives: Collection[str]
    ) -> NDArray[np.intp]:
        """Return the n row indices, best first.

        Args:
            values: n rows, one column per objective.
            epochs: epochs of the rung.
            curve_objectives: names of the objectives that epochs report.
        """
        rows = np.array(values, dtype=np.float64).reshape(len(values), len(self._objectives))
        present = np.asarray(~np.isnan(rows).all(axis=0), dtype=bool)
        objectives = [o for o, has in zip(self._objectives, present, strict=True) if has]
        if not objectives:
            return np.arange(len(rows))
        rows = as_minimised(rows[:, present], objectives)
        has_nan = np.isnan(rows).any(axis=1)
        complete = np.flatnonzero(~has_nan)
        columns = [i for i, o in enumerate(objectives) if o.name in curve_objectives]
        if len(columns) == 1 and len(objectives) > 1:
            order = self._by_improvement(rows[complete], objectives, columns[0], epochs)
        else:
            order = _by_rank(rows[complete], objectives)
        return np.concatenate([complete[order], np.flatnonzero(has_nan)])

    @property
    def keeps_best(self) -> bool:
        """Whether the best curve objective ranks first, as there is no full reference point."""
        return not self._reference.keys() >= {objective.name for objective in self._objectives}

    def _by_improvement(
        self, rows: Array, objectives: Sequence[Objective], column: int, epochs: int
    ) -> NDArray[np.intp]:
        """Return the order of minimised rows by the hypervolume that each adds to the others."""
        y, costs = rows[:, column], np.delete(rows, column, axis=1)
        low = costs.min(axis=0)
        high = default_cost_bounds(low, costs.max(axis=0))
        for i, objective in enumerate(o for j, o in enumerate(objectives) if j != column):
            if objective.name in self._reference:
                sign = -1.0 if objective.direction == "maximize" else 1.0
                high[i] = sign * self._reference[objective.name]
        cells = CostCells(np.minimum(low, high), np.where(high > low, high, low + 1.0))
        good, median, reference = np.quantile(y, [0.1, 0.5, REFERENCE_QUANTILE])
        remaining = 1.0 - math.log(max(1, epochs)) / self._log_epochs + LAST_STD
        std = FIRST_STD * max(float(median - good), 1e-9) * remaining
        others = cells.best_of_others(y, costs, float(reference))
        gain = cells.expected_improvement(y, np.full(len(y), std), costs, others)
        behind = np.zeros(len(y), dtype=bool)
        if self.keeps_best:
            behind[np.lexsort((-gain, y))[1:]] = True
        order: NDArray[np.intp] = np.lexsort((y, -gain, behind))
        return order


def _by_rank(rows: Array, objectives: Sequence[Objective]) -> NDArray[np.intp]:
    """Return the order of minimised rows by non-dominated rank, crowding distance, position."""
    minimised = [Objective(o.name, "minimize") for o in objectives]
    ranks = non_dominated_ranks(rows, minimised)
    distance = np.zeros(len(rows))
    for rank, size in zip(*np.unique(ranks, return_counts=True), strict=True):
        if size > 1:
            members = np.flatnonzero(ranks == rank)
            distance[members] = crowding_distance(rows[members], minimised)
    order: NDArray[np.intp] = np.lexsort((np.arange(len(rows)), -distance, ranks))
    return order
