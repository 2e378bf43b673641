"""Acquisition function: expected hypervolume improvement per cost, and the table of costs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from orchestrator.ledger.events import EpochReported
from orchestrator.search.hypervolume_improvement import CostCells, default_cost_bounds
from orchestrator.search.pareto import with_point
from orchestrator.search.searchers.gaussian_process import Hyperparameters, Inputs, Posterior
from orchestrator.spec.objectives import Objective

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.search.searchers.base import SearchProblem
    from orchestrator.search.searchers.encoding import Encoder
    from orchestrator.search.searchers.learning_curves import (
        CurveModel,
        ObservedTrial,
        TrialObservations,
    )

    Array = NDArray[np.float64]


FIRST_PREDICTION = 5
"""Trials with a value before the first prediction."""
PREDICTION_TRIALS = 100
"""Latest trials that a prediction is made from."""
PREDICTION_GROWTH = 1.2
"""Growth of the number of trials with a value between two updates of a predictor."""


class CostTable:
    """Costs of all trials: every objective but the curve objective, all minimised."""

    def __init__(
        self, problem: SearchProblem, encoder: Encoder, observations: TrialObservations
    ) -> None:
        curve_objective = problem.curve_objective
        costs = [o for o in problem.objectives if o != curve_objective]
        self._signs = {o.name: _sign(o) for o in costs}
        reference = {
            o.name: _sign(o) * problem.reference_point[o.name]
            for o in problem.objectives
            if o.name in problem.reference_point
        }
        self.curve_reference = reference.pop(curve_objective.name, None)
        """Minimised reference value of the curve objective; None without one."""
        self._reference = reference
        self.point_objectives = [Objective(o.name, "minimize") for o in (curve_objective, *costs)]
        """Objectives of rows (curve objective, costs), all minimised."""
        self._constraints = tuple(problem.constraints)
        self._observations = observations
        self._front = np.empty((0, 1 + len(costs)))
        self._low = np.full(len(costs), math.inf)
        self._high = np.full(len(costs), -math.inf)
        names = [*self._signs, *(c.metric for c in self._constraints)]
        self._predictors = {name: CostPredictor(name, encoder) for name in dict.fromkeys(names)}

    def observe(self, event: SweepEvent) -> None:
        """Update the state by one event, which the trial observations have observed before."""
        trial = self._observations.trials.get(event.trial_id)
        if trial is None:
            return
        new_costs = not isinstance(event, EpochReported)
        # Where constraints bound the costs, only trials that keep them all bound the hypervolume,
        # which is known once they train. Volume beyond a constraint would only favour the best
        # curve objective at any cost.
        bounding = not self._constraints or trial.epoch > 0
        if bounding and (new_costs or trial.epoch == 1):
            costs = self._known(trial.metrics)
            self._low, self._high = np.fmin(self._low, costs), np.fmax(self._high, costs)
        if new_costs:
            for predictor in self._predictors.values():
                predictor.add_trial(trial)
        if trial.epoch:
            front = with_point(self._front, np.array([trial.best, *self._known(trial.metrics)]))
            self._front = self._front if front is None else front

    def front(self) -> tuple[Array, Array]:
        """Return the curve objective (n) and the costs (n x k) of the trials on the front."""
        return self._front[:, 0], self._front[:, 1:]

    def box(self) -> tuple[Array, Array]:
        """Return the k least observed costs and the k reference costs.

        Without a reference value, a cost counts up to slightly beyond the largest observed one.
        """
        low = np.where(np.isfinite(self._low), self._low, 0.0)
        bounds = default_cost_bounds(low, np.where(np.isfinite(self._high), self._high, 1.0))
        high = np.array(
            [self._reference.get(n, b) for n, b in zip(self._signs, bounds, strict=True)]
        ).reshape(len(low))
        return np.minimum(low, high), np.where(high > low, high, low + 1.0)

    def of_trials(self, trials: Sequence[ObservedTrial]) -> Array:
        """Return n x k costs of trials, predicted where they are not measured yet."""
        vectors = np.array([trial.vector for trial in trials])
        return self._filled(vectors, [trial.metrics for trial in trials])

    def of_candidates(
        self, vectors: Array, known: Sequence[Mapping[str, float]]
    ) -> tuple[Array, NDArray[np.bool_]]:
        """Return n x k costs, and n flags: whether the constraints are predicted to hold."""
        feasible = np.ones(len(known), dtype=bool)
        for constraint in self._constraints:
            values = self._column(constraint.metric, vectors, known)
            feasible &= np.array([math.isnan(v) or constraint.holds(v) for v in values], dtype=bool)
        return self._filled(vectors, known), feasible

    def _filled(self, vectors: Array, metrics: Sequence[Mapping[str, float]]) -> Array:
        """Return n x k costs; where none is predicted yet, the least, which excludes nothing."""
        low, _ = self.box()
        columns = [self._signs[name] * self._column(name, vectors, metrics) for name in self._signs]
        filled = np.array(columns).reshape(len(columns), len(metrics)).T
        return np.where(np.isnan(filled), low, filled)

    def _column(self, name: str, vectors: Array, metrics: Sequence[Mapping[str, float]]) -> Array:
        values = np.array([row.get(name, math.nan) for row in metrics], dtype=np.float64)
        missing = np.isnan(values)
        if missing.any():
            values[missing] = self._predictors[name].predict(vectors[missing])
        return values

    def _known(self, metrics: Mapping[str, float]) -> Array:
        return np.array([sign * metrics.get(name, math.nan) for name, sign in self._signs.items()])


class CostPredictor:
    """Predicts one metric of configurations from the trials that have it."""

    def __init__(self, name: str, encoder: Encoder) -> None:
        self._name = name
        self._groups = encoder.groups
        self._rows: dict[int, tuple[Array, float]] = {}
        self._update_at = FIRST_PREDICTION
        self._posterior: Posterior | None = None
        self._logarithmic = False

    def add_trial(self, trial: ObservedTrial) -> None:
        """Add the trial's value if it has one."""
        self.add(trial.number, trial.vector, trial.metrics.get(self._name, math.nan))

    def add(self, number: int, vector: Array, value: float) -> None:
        """Add trial ``number``'s value if it is finite; update the model for a fifth more."""
        if not math.isfinite(value):
            return
        self._rows[number] = (vector, value)
        if len(self._rows) >= self._update_at:
            self._update_at = math.ceil(PREDICTION_GROWTH * len(self._rows))
            self._update()

    def predict(self, vectors: Array) -> Array:
        """Return n predicted values; NaN before there are enough trials."""
        if self._posterior is None:
            return np.full(len(vectors), math.nan)
        values = self._posterior.predict_mean(Inputs.at_end(vectors))
        return np.exp(values) if self._logarithmic else values

    def _update(self) -> None:
        vectors, values = zip(*list(self._rows.values())[-PREDICTION_TRIALS:], strict=True)
        y = np.array(values)
        self._logarithmic = bool((y > 0).all())
        dimensions = int(self._groups.max(initial=-1)) + 1
        self._posterior = Posterior(
            Inputs.at_end(np.array(vectors)),
            np.log(y) if self._logarithmic else y,
            self._groups,
            Hyperparameters.initial(dimensions),
        )


def _sign(objective: Objective) -> float:
    return -1.0 if objective.direction == "maximize" else 1.0


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
