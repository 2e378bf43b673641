"""State of the surrogate model: trials, learning curves, costs and candidates."""

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
"""A configuration with its acquisition value."""
PARENTS = 20
"""Best trials near which candidates are drawn."""
PARENTS_FROM = 80
"""Trials with most epochs among which those are chosen."""


class SurrogateState:
    """Holds what the surrogate model learns from, and the candidates it scores.

    All state comes from ``observe``, in ledger order, so that a replayed sweep has the same. Trials
    with a configuration outside the space are ignored.
    """

    def __init__(self, problem: SearchProblem, tried: TriedConfigs) -> None:
        self._space = problem.space
        self._tried = tried
        self.encoder = Encoder(
            problem.space,
            problem.known_cost and tried.known_metrics,
            [objective.name for objective in problem.objectives],
        )
        self.observations = TrialObservations(self.encoder, problem.curve_objective)
        self._model = CurveModel(self.encoder, self.observations, max_epochs=problem.max_epochs)
        self._costs = CostTable(problem, self.encoder, self.observations)
        self._epoch_seconds = CostPredictor("epoch_seconds", self.encoder)
        self.pool = CandidatePool(problem.space, self.encoder, tried)

    def observe(self, event: SweepEvent) -> bool:
        """Update the state; return False for the proposal of a configuration outside the space."""
        if isinstance(event, TrialAsked):
            self._tried.add(event.config)
            if self._space.faults(event.config):
                return False
        self.observations.observe(event)
        self._costs.observe(event)
        self._model.invalidate()
        if isinstance(event, EpochReported) and event.epoch == 1:
            self._model.fit_if_due()
            trial = self.observations.trials.get(event.trial_id)
            if trial is not None:
                self._epoch_seconds.add(trial.number, trial.vector, trial.epoch_seconds)
        return True

    def refresh_candidates(self, rng: np.random.Generator) -> None:
        """Add candidates to the pool, some random, some near the best of the longest trials."""
        self.pool.refresh(rng, self._parents())

    def acquisition(self, *, exclude: ObservedTrial | None = None) -> ImprovementPerCost:
        """Return the acquisition function of the current state.

        Args:
            exclude: a running trial that is not counted as pending.
        """
        return ImprovementPerCost(
            self.observations, self._model, self._costs, self._epoch_seconds, exclude=exclude
        )

    def ranked_candidates(self, acquisition: ImprovementPerCost) -> list[Scored]:
        """Return the pool's candidates with their acquisition values, best first."""
        values = acquisition.of_candidates(self.pool.vectors, self.pool.known)
        order = np.argsort(-values, kind="stable")
        return [(float(values[i]), self.pool.configs[i]) for i in order]

    def _parents(self) -> list[Config]:
        """Return the configurations of the best among the trials with most epochs."""
        longest = self.observations.longest(PARENTS_FROM)
        if len(longest) < 4:
            return []
        costs = self._costs.of_trials(longest)
        points = np.column_stack([[trial.best for trial in longest], costs])
        ranks = non_dominated_ranks(points, self._costs.point_objectives)
        order = np.lexsort((np.arange(len(longest)), ranks))
        return [longest[i].config for i in order[:PARENTS]]
