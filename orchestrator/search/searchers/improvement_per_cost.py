"""Acquisition function: expected hypervolume improvement per cost."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from orchestrator.search.hypervolume_improvement import CostCells
from orchestrator.search.searchers.gaussian_process import Inputs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from orchestrator.search.searchers.cost_table import CostPredictor, CostTable
    from orchestrator.search.searchers.curve_model import CurveModel
    from orchestrator.search.searchers.trial_observations import ObservedTrial, TrialObservations

    Array = NDArray[np.float64]

MAX_PENDING = 64
"""Pending trials that are taken into account, the latest ones."""
COST_EXPONENT = 0.8
"""Power of the predicted seconds by which the improvement is divided. It is below 1 as most trials
are stopped before they cost their full time, and expensive trials form one end of the front
(measured in docs/adr/0003)."""
STD_SCALE = 1.6
"""Factor on the posterior's standard deviations, which leave out the hyperparameters' error
(measured in docs/adr/0003)."""


class ImprovementPerCost:
    """Expected hypervolume improvement at full training over a power of the predicted seconds.

    The improvement is over the results of all trials and over the fantasies of pending ones.

    Args:
        observations: All trials.
        model: Surrogate of the curve objective.
        costs: The other objectives.
        epoch_seconds: Predictor of the duration of an epoch, in seconds.
        exclude: A running trial without a fantasy, as it is itself to be scored.
    """

    def __init__(
        self,
        observations: TrialObservations,
        model: CurveModel,
        costs: CostTable,
        epoch_seconds: CostPredictor,
        *,
        exclude: ObservedTrial | None = None,
    ) -> None:
        self._costs = costs
        self._epoch_seconds = epoch_seconds
        pending = [trial for trial in observations.running if trial is not exclude][-MAX_PENDING:]
        self._posterior, fantasies = model.posterior(pending)
        front, front_costs = costs.front()
        y = np.concatenate([model.warp(front), fantasies])
        k = np.vstack([front_costs, costs.of_trials(pending)])
        self._cells = CostCells(*costs.box())
        self._best = self._cells.best(y, k, model.reference(costs.curve_reference))

    def of_candidates(self, vectors: Array, known: Sequence[Mapping[str, float]]) -> Array:
        """Return n values, larger is better, -inf where a constraint is predicted to break.

        Args:
            vectors: n x d encoded candidates.
            known: their n known metrics.
        """
        costs, feasible = self._costs.of_candidates(vectors, known)
        values = self._values(Inputs.at_end(vectors), costs)
        return np.where(feasible, values, -math.inf)

    def of_trial(self, trial: ObservedTrial, remaining: float) -> float:
        """Return the value of a trial's remaining training, larger is better.

        Args:
            trial: A trial with an epoch.
            remaining: Share of full training that it has not had yet, (0, 1].
        """
        inputs = Inputs.at_end(trial.vector[None], [trial.number])
        return float(self._values(inputs, self._costs.of_trials([trial]))[0]) / remaining

    def _values(self, inputs: Inputs, costs: Array) -> Array:
        mean, std = self._posterior.predict(inputs)
        values = self._cells.expected_improvement(mean, STD_SCALE * std, costs, self._best)
        seconds = self._epoch_seconds.predict(inputs.x)
        if not np.isnan(seconds).any():
            values = values / np.maximum(seconds, 1e-9) ** COST_EXPONENT
        return values
