"""What a sweep's trials and candidates may become, learned from its events."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from orchestrator.ledger.events import EpochReported, TrialAsked
from orchestrator.search.pareto import non_dominated_ranks
from orchestrator.search.searchers.candidates import CandidatePool
from orchestrator.search.searchers.cost_table import CostPredictor, CostTable
from orchestrator.search.searchers.curve_model import CurveModel
from orchestrator.search.searchers.encoding import Encoder
from orchestrator.search.searchers.improvement_per_cost import ImprovementPerCost
from orchestrator.search.searchers.trial_observations import TrialObservations

if TYPE_CHECKING:
    from orchestrator.ledger.events import SweepEvent
    from orchestrator.search.searchers.problem import SearchProblem
    from orchestrator.search.searchers.trial_observations import ObservedTrial
    from orchestrator.search.searchers.tried_configs import TriedConfigs
    from search_spaces.space import Config

Scored: TypeAlias = "tuple[float, Config]"
PARENTS = 20
DEEPEST = 80


class SurrogateState:
    """Keeps the trials, the model of their learning curves, their costs, a pool of candidates.

    Everything comes from ``observe``, in ledger order, so that a replayed sweep has the same
    prospects. Trials whose configuration lies outside the space are passed over.
    """

    def __init__(self, problem: SearchProblem, tried: TriedConfigs) -> None:
        self._problem = problem
        self._tried = tried
        self.encoder = Encoder(
            problem.space,
            problem.known_cost and tried.known,
            [objective.name for objective in problem.objectives],
        )
        self.memory = TrialObservations(self.encoder, problem.curve_objective)
        self._model = CurveModel(self.encoder, self.memory, max_epochs=problem.max_epochs)
        self._costs = CostTable(problem, self.encoder, self.memory)
        self._pace = CostPredictor("epoch_seconds", self.encoder)
        self.pool = CandidatePool(problem.space, self.encoder, tried)

    @property
    def trials(self) -> int:
        """Number of trials asked for, whether anything is known of them or not."""
        return len(self.memory.trials)

    @property
    def observations(self) -> int:
        """Number of trials with an epoch or a failure."""
        return self._model.observations

    def observe(self, event: SweepEvent) -> bool:
        """Take note of trials, costs and epochs; return whether the event was one of a point."""
        if isinstance(event, TrialAsked):
            self._tried.add(event.config)
            if self._problem.space.faults(event.config):
                return False
        self.memory.observe(event)
        self._costs.observe(event)
        self._model.invalidate()
        if isinstance(event, EpochReported) and event.epoch == 1:
            self._model.fit_if_due()
            trial = self.memory.trials.get(event.trial_id)
            if trial is not None:
                self._pace.take_value(trial.number, trial.vector, trial.epoch_seconds)
        return True

    def refresh_candidates(self, rng: np.random.Generator) -> None:
        """Add candidates to the pool, some random, some near the best of the deepest trials."""
        self.pool.refresh(rng, self._parents())

    def promise(self, *, without: ObservedTrial | None = None) -> ImprovementPerCost:
        """Return what is promised as things stand.

        Args:
            without: a running trial that is not fantasies to reach its end.
        """
        return ImprovementPerCost(
            self.memory, self._model, self._costs, self._pace, without=without
        )

    def ranked(self, promise: ImprovementPerCost) -> list[Scored]:
        """Return the pool's candidates with what each promises, the most promising first."""
        scores = promise.of(self.pool.vectors, self.pool.known)
        order = np.argsort(-scores, kind="stable")
        return [(float(scores[i]), self.pool.configs[i]) for i in order]

    def _parents(self) -> list[Config]:
        """Configurations of the best among the deepest trials."""
        deepest = self.memory.deepest(DEEPEST)
        if len(deepest) < 4:
            return []
        costs = self._costs.of_trials(deepest)
        points = np.column_stack([[trial.best for trial in deepest], costs])
        layers = non_dominated_ranks(points, self._costs.point_objectives)
        order = np.lexsort((np.arange(len(deepest)), layers))
        return [deepest[i].config for i in order[:PARENTS]]
