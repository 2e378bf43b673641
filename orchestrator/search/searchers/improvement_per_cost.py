"""What a candidate promises for what it costs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from orchestrator.search.hypervolume_improvement import CostCells

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from orchestrator.search.searchers.cost_table import CostPredictor, CostTable
    from orchestrator.search.searchers.curve_model import CurveModel
    from orchestrator.search.searchers.trial_observations import ObservedTrial, TrialObservations

    Array = NDArray[np.float64]

MAX_PENDING = 64
"""Running trials that are taken into account, the latest ones."""
COST_EXPONENT = 0.8
"""Power of the expected seconds by which a gain is divided."""
STD_SCALE = 1.6
"""Factor on the model's standard deviations, which take its own parameters for certain."""


class ImprovementPerCost:
    """The expected gain of hypervolume for the time it takes, as things stand when it is made.

    Running trials count as if they reached what is expected of them. Time is set against gain by
    a power below one: a trial's cost is rarely all of it, as most are stopped, and dear trials are
    those from which the end of the front is made. One running trial may be left out, to be held
    against the others.
    """

    def __init__(
        self,
        memory: TrialObservations,
        model: CurveModel,
        costs: CostTable,
        pace: CostPredictor,
        *,
        without: ObservedTrial | None = None,
    ) -> None:
        self._costs = costs
        self._pace = pace
        running = [trial for trial in memory.running if trial is not without][-MAX_PENDING:]
        self._outlook, fantasies = model.posterior_with_pending(running)
        reached, reached_costs = costs.front()
        y = np.concatenate([model.warp(reached), fantasies])
        k = np.vstack([reached_costs, costs.of_trials(running)])
        self._cells = CostCells(*costs.box())
        self._best = self._cells.best(y, k, model.ceiling(costs.curve_reference))

    def of(self, vectors: Array, known: Sequence[Mapping[str, float]]) -> Array:
        """Return each candidate's gain for its time, -inf where a predicted constraint breaks."""
        costs, feasible = self._costs.of_candidates(vectors, known)
        outlook = self._outlook.predict_final(vectors)
        return np.where(feasible, self._worth(vectors, costs, outlook), -math.inf)

    def of_trial(self, trial: ObservedTrial, share_left: float) -> float:
        """Return a trial's gain over all that was reached, by itself too, for the time left of it.

        Args:
            trial: a trial with an epoch.
            share_left: part of a full training that it has not had yet, in (0, 1].
        """
        outlook = self._outlook.predict_end(trial)
        worth = self._worth(trial.vector[None], self._costs.of_trials([trial]), outlook)
        return float(worth[0]) / share_left

    def _worth(self, vectors: Array, costs: Array, outlook: tuple[Array, Array]) -> Array:
        mean, deviation = outlook
        gain = self._cells.gain(mean, STD_SCALE * deviation, costs, self._best)
        seconds = self._pace.predict(vectors)
        if not np.isnan(seconds).any():
            gain = gain / np.maximum(seconds, 1e-9) ** COST_EXPONENT
        return gain
