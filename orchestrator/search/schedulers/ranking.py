"""The order of trials at one rung, best first."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from orchestrator.search.hypervolume_improvement import CostCells, default_cost_bounds
from orchestrator.search.pareto import as_minimised, crowding_distance, non_dominated_ranks

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from orchestrator.spec.objectives import Objective

    Array = NDArray[np.float64]

CEILING = 0.8
"""Quantile of the learned objective at a rung above which a value counts for nothing."""
UNCERTAINTY = 0.5
"""Standard deviation of what a trial may still gain or lose on the others at the first epoch, in
units of the distance between the best tenth and the middle of the rung."""
LAST_UNCERTAINTY = 0.1
"""Share of it that is left at full training."""


class Ranking:
    """Orders trials by what each adds to the front of the others.

    Where one objective is learned and the others are known, a trial's worth is the hypervolume it
    is expected to add to that of the other trials at the rung, its learned value being uncertain:
    more so at early rungs, where learning curves still cross. Non-dominated sorting alone keeps the
    cheapest trials for their cost, however little they learn. Where no reference point says how
    dear a trial may be, the best learned value comes first at any cost, and costs count up to just
    beyond the rung's largest.

    Where more objectives are learned, or none of the others is known yet, layers of non-domination
    come in order; within a layer the loneliest come first. Equal trials keep their order. Trials
    with NaN are behind all others; objectives that no trial has a value of are left out.

    Source: Schmucker et al. 2021, Multi-objective Asynchronous Successive Halving (layers);
    Deb et al. 2002, NSGA-II (loneliness).
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
        self, values: Sequence[Sequence[float]], *, epochs: int, learned: Collection[str]
    ) -> NDArray[np.intp]:
        """Return row indices, best first.

        Args:
            values: n rows, one column per objective.
            epochs: epochs of the rung.
            learned: names of the objectives that change with training.
        """
        rows = np.array(values, dtype=np.float64).reshape(len(values), len(self._objectives))
        present = np.asarray(~np.isnan(rows).all(axis=0), dtype=bool)
        objectives = [o for o, has in zip(self._objectives, present, strict=True) if has]
        if not objectives:
            return np.arange(len(rows))
        rows = as_minimised(rows[:, present], objectives)
        broken = np.isnan(rows).any(axis=1)
        sound = np.flatnonzero(~broken)
        moving = [i for i, o in enumerate(objectives) if o.name in learned]
        if len(moving) == 1 and len(objectives) > 1:
            order = self._by_gain(rows[sound], objectives, moving[0], epochs)
        else:
            order = _by_layers(rows[sound], objectives)
        return np.concatenate([sound[order], np.flatnonzero(broken)])

    @property
    def spares_best(self) -> bool:
        """Whether the best learned value comes first, as no reference point bounds all the rest."""
        return not self._reference.keys() >= {each.name for each in self._objectives}

    def _by_gain(
        self, rows: Array, objectives: Sequence[Objective], column: int, epochs: int
    ) -> NDArray[np.intp]:
        y, costs = rows[:, column], np.delete(rows, column, axis=1)
        names = [o.name for i, o in enumerate(objectives) if i != column]
        signs = [-1.0 if o.direction == "maximize" else 1.0 for o in self._objectives]
        sign_of = {o.name: sign for o, sign in zip(self._objectives, signs, strict=True)}
        low = costs.min(axis=0)
        high = default_cost_bounds(low, costs.max(axis=0))
        for i, name in enumerate(names):
            if name in self._reference:
                high[i] = sign_of[name] * self._reference[name]
        cells = CostCells(np.minimum(low, high), np.where(high > low, high, low + 1.0))
        good, middle, ceiling = np.quantile(y, [0.1, 0.5, CEILING])
        left = 1.0 - math.log(max(1, epochs)) / self._log_epochs + LAST_UNCERTAINTY
        deviation = UNCERTAINTY * max(float(middle - good), 1e-9) * left
        others = cells.best_of_others(y, costs, float(ceiling))
        gain = cells.gain(y, np.full(len(y), deviation), costs, others)
        behind = np.zeros(len(y), dtype=bool)
        if self.spares_best:
            behind[np.lexsort((-gain, y))[1:]] = True
        order: NDArray[np.intp] = np.lexsort((y, -gain, behind))
        return order


def _by_layers(rows: Array, objectives: Sequence[Objective]) -> NDArray[np.intp]:
    """Order minimised rows by layer, then loneliness, then position."""
    minimised = [type(o)(o.name, "minimize") for o in objectives]
    layers = non_dominated_ranks(rows, minimised)
    loneliness = np.zeros(len(rows))
    for layer, size in zip(*np.unique(layers, return_counts=True), strict=True):
        if size > 1:
            members = np.flatnonzero(layers == layer)
            loneliness[members] = crowding_distance(rows[members], minimised)
    order: NDArray[np.intp] = np.lexsort((np.arange(len(rows)), -loneliness, layers))
    return order
