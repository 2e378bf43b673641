"""The objectives that need no learning curve: known exactly, or predicted from other trials."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from orchestrator.ledger.events import EpochReported
from orchestrator.search.hypervolume_improvement import default_cost_bounds
from orchestrator.search.pareto import with_point
from orchestrator.search.searchers.gaussian_process import Hyperparameters, Inputs, Posterior
from orchestrator.spec.objectives import Objective

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.search.searchers.encoding import Encoder
    from orchestrator.search.searchers.problem import SearchProblem
    from orchestrator.search.searchers.trial_observations import ObservedTrial, TrialObservations

    Array = NDArray[np.float64]

FIRST_PREDICTION = 5
"""Trials with a value before one is predicted for others."""
PREDICTION_TRIALS = 100
PREDICTION_GROWTH = 1.2


class CostTable:
    """Holds every trial's costs, turned so that less is better."""

    def __init__(self, problem: SearchProblem, encoder: Encoder, memory: TrialObservations) -> None:
        self._objectives = [o for o in problem.objectives if o != problem.curve_objective]
        self._signs = {o.name: _sign(o) for o in self._objectives}
        self._reference = {
            o.name: _sign(o) * problem.reference_point[o.name]
            for o in self._objectives
            if o.name in problem.reference_point
        }
        learned = problem.reference_point.get(problem.curve_objective.name)
        self.curve_reference = None if learned is None else _sign(problem.curve_objective) * learned
        """Reference value of the learned objective, less being better; None without one."""
        self.point_objectives = [
            Objective(o.name, "minimize") for o in (problem.curve_objective, *self._objectives)
        ]
        """Objectives of rows (learned, costs), all of them minimised."""
        self._constraints = tuple(problem.constraints)
        self._memory = memory
        self._front = np.empty((0, 1 + len(self._objectives)))
        self._low = np.full(len(self._objectives), math.inf)
        self._high = np.full(len(self._objectives), -math.inf)
        names = [*self._signs, *(c.metric for c in self._constraints)]
        self._predictors = {name: CostPredictor(name, encoder) for name in dict.fromkeys(names)}

    def observe(self, event: SweepEvent) -> None:
        """Take in what the memory has learned by one event; the memory comes first."""
        trial = self._memory.trials.get(event.trial_id)
        if trial is None:
            return
        news = not isinstance(event, EpochReported)
        if self._counts(trial) and (news or trial.epoch == 1):
            costs = self._exact(trial.metrics)
            self._low, self._high = np.fmin(self._low, costs), np.fmax(self._high, costs)
        if news:
            for predictor in self._predictors.values():
                predictor.take(trial)
        if trial.epoch:
            point = np.array([trial.best, *self._exact(trial.metrics)])
            grown = with_point(self._front, point)
            self._front = self._front if grown is None else grown

    def _counts(self, trial: ObservedTrial) -> bool:
        """Whether a trial's costs are among those that matter.

        Where constraints bound them those of trials that keep all do, which shows when they train:
        hypervolume beyond a bound would be nothing but weight on the best, whatever it costs.
        """
        return not self._constraints or trial.epoch > 0

    def front(self) -> tuple[Array, Array]:
        """Return learned values and costs of the trials on the front."""
        return self._front[:, 0], self._front[:, 1:]

    def box(self) -> tuple[Array, Array]:
        """Return the least costs seen and the reference costs, else those just beyond the seen."""
        low = np.where(np.isfinite(self._low), self._low, 0.0)
        seen = default_cost_bounds(low, np.where(np.isfinite(self._high), self._high, 1.0))
        high = np.array(
            [self._reference.get(n, s) for n, s in zip(self._signs, seen, strict=True)]
        ).reshape(len(low))
        return np.minimum(low, high), np.where(high > low, high, low + 1.0)

    def of_trials(self, trials: Sequence[ObservedTrial]) -> Array:
        """Return n x k costs of trials, predicted where they are not measured yet."""
        vectors = np.array([trial.vector for trial in trials])
        return self._filled(vectors, [trial.metrics for trial in trials])

    def of_candidates(
        self, vectors: Array, known: Sequence[Mapping[str, float]]
    ) -> tuple[Array, NDArray[np.bool_]]:
        """Return n x k costs, and for each row whether it keeps the constraints as predicted."""
        feasible = np.ones(len(known), dtype=bool)
        for constraint in self._constraints:
            values = self._column(constraint.metric, vectors, known)
            feasible &= np.array([math.isnan(v) or constraint.holds(v) for v in values], dtype=bool)
        return self._filled(vectors, known), feasible

    def _filled(self, vectors: Array, metrics: Sequence[Mapping[str, float]]) -> Array:
        """Costs of rows; one that nothing is known of is taken as the least, so it decides none."""
        low, _ = self.box()
        columns = [self._signs[name] * self._column(name, vectors, metrics) for name in self._signs]
        filled = np.array(columns).reshape(len(self._signs), len(metrics)).T
        return np.where(np.isnan(filled), low, filled)

    def _column(self, name: str, vectors: Array, metrics: Sequence[Mapping[str, float]]) -> Array:
        values = np.array([row.get(name, math.nan) for row in metrics], dtype=np.float64)
        missing = np.isnan(values)
        if missing.any():
            values[missing] = self._predictors[name].predict(vectors[missing])
        return values

    def _exact(self, metrics: Mapping[str, float]) -> Array:
        return np.array([sign * metrics.get(name, math.nan) for name, sign in self._signs.items()])


class CostPredictor:
    """Predicts one metric of configurations from trials that have it."""

    def __init__(self, name: str, encoder: Encoder) -> None:
        self._name = name
        self._groups = encoder.groups
        self._taken: dict[int, tuple[Array, float]] = {}
        self._next = FIRST_PREDICTION
        self._posterior: Posterior | None = None
        self._logarithmic = False

    def take(self, trial: ObservedTrial) -> None:
        """Note the trial's value if it has one; learn anew when there are a fifth more."""
        self.take_value(trial.number, trial.vector, trial.metrics.get(self._name, math.nan))

    def take_value(self, number: int, vector: Array, value: float) -> None:
        """Note a trial's value unless it is no number."""
        if not math.isfinite(value):
            return
        self._taken[number] = (vector, value)
        if len(self._taken) >= self._next:
            self._next = math.ceil(PREDICTION_GROWTH * len(self._taken))
            self._learn()

    def predict(self, vectors: Array) -> Array:
        """Return the expected values, one a row; NaN before there are enough trials."""
        if self._posterior is None:
            return np.full(len(vectors), math.nan)
        values = self._posterior.predict_mean(Inputs.at_end(vectors))
        return np.exp(values) if self._logarithmic else values

    def _learn(self) -> None:
        vectors, values = zip(*list(self._taken.values())[-PREDICTION_TRIALS:], strict=True)
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
