"""State of the surrogate model: trials, learning curves, costs and candidates."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from orchestrator.ledger.events import EpochReported, TrialAsked
from orchestrator.search.pareto import non_dominated_ranks
from orchestrator.search.searchers.acquisition import CostPredictor, CostTable, ImprovementPerCost
from orchestrator.search.searchers.encoding import Encoder, from_unit, to_unit
from orchestrator.search.searchers.learning_curves import CurveModel, TrialObservations
from search_spaces.domains import Categorical

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.search.searchers.base import SearchProblem, TriedConfigs
    from orchestrator.search.searchers.learning_curves import ObservedTrial
    from search_spaces.space import Config, SearchSpace


POOL_SIZE = 256
RANDOM_PER_TRIAL = 16
NEAR_PER_TRIAL = 16
TRIALS_IN_POOL = POOL_SIZE // (RANDOM_PER_TRIAL + NEAR_PER_TRIAL)
"""Trials whose candidates fill a pool if all keep the constraints."""
WIDTHS = (0.15, 0.05)
"""Standard deviations of a changed number, in units of its range; one is drawn."""


class CandidatePool:
    """Keeps the latest candidates with their vectors, so that each is encoded once."""

    def __init__(self, space: SearchSpace, encoder: Encoder, tried: TriedConfigs) -> None:
        self._space = space
        self._encoder = encoder
        self._tried = tried
        self.configs: list[Config] = []
        """Candidates, the oldest first; all keep the constraints on known metrics."""
        self.known: list[Mapping[str, float]] = []
        """Each candidate's metrics that need no training."""
        self._vectors: list[NDArray[np.float64]] = []

    @property
    def vectors(self) -> NDArray[np.float64]:
        """The encoded candidates, n x d."""
        return np.array(self._vectors)

    def refresh(self, rng: np.random.Generator, parents: Sequence[Config]) -> None:
        """Add new candidates, half of them near ``parents``; drop the oldest of a full pool."""
        self._add(self._space.sample(rng) for _ in range(RANDOM_PER_TRIAL))
        if parents:
            self._add(
                neighbour(
                    self._space,
                    parents[int(rng.integers(len(parents)))],
                    rng,
                    width=WIDTHS[int(rng.integers(len(WIDTHS)))],
                )
                for _ in range(NEAR_PER_TRIAL)
            )
        surplus = max(0, len(self.configs) - POOL_SIZE)
        del self.configs[:surplus], self.known[:surplus], self._vectors[:surplus]

    def _add(self, configs: Iterable[Config]) -> None:
        for config in configs:
            known = self._tried.feasible_metrics(config)
            if known is None:
                continue
            self.configs.append(config)
            self.known.append(known)
            self._vectors.append(self._encoder.encode(config, known))


def neighbour(
    space: SearchSpace, config: Config, rng: np.random.Generator, *, width: float
) -> Config:
    """Return a configuration that differs from ``config`` in a few active dimensions.

    A changed number moves by a normal step of ``width`` times its range. A changed category, and a
    dimension that becomes active, is drawn from its domain.
    """
    rate = max(1.5 / max(1, len(config)), 0.25)
    changed: Config = {}
    for dimension in space:
        if not dimension.when.holds(changed):
            continue
        name, domain = dimension.name, dimension.domain
        if name in config and rng.random() > rate:
            changed[name] = config[name]
        elif name not in config or isinstance(domain, Categorical):
            changed[name] = domain.sample(rng)
        else:
            moved = to_unit(domain, config[name]) + width * float(rng.standard_normal())
            changed[name] = from_unit(domain, moved)
    return changed


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
