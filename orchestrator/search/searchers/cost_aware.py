"""Cost-aware Bayesian optimization over learning curves, with known costs taken exactly."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from orchestrator.ledger.events import TrialAsked
from orchestrator.search.searchers.surrogate_state import (
    PARENTS,
    TRIALS_IN_POOL,
    SurrogateState,
    neighbour,
)

if TYPE_CHECKING:
    from orchestrator.ledger.events import SweepEvent
    from orchestrator.search.searchers.acquisition import ImprovementPerCost
    from orchestrator.search.searchers.base import SearchProblem, TriedConfigs
    from orchestrator.search.searchers.surrogate_state import Scored
    from search_spaces.space import Config

STARTUP_TRIALS = 10
"""Observed trials before the surrogate model proposes (measured in docs/adr/0004)."""
SMALL_SWEEP = 16
"""Trials, those of earlier sweeps included, up to which all proposals are random: a surrogate model
of so few improves nothing."""
REFINED_WIDTHS = (0.15, 0.1, 0.05, 0.02)
"""Rounds of local search around the best candidates, each with the width of its steps."""
REFINED = 80
"""Neighbours per round (measured in docs/adr/0003 and 0005)."""
REFINED_PARENTS = 4
"""Best candidates whose neighbours are drawn."""
BATCH_FROM = 400
"""Trials from which on several proposals are planned at once (docs/adr/0015)."""
BATCH_GROWTH = 100
"""Trials by which a batch grows by one proposal."""
MAX_BATCH = 64
MANY_RUNNING = 64
"""Running trials from which on proposals are batched in a young sweep, too."""
RUNNING_PER_PROPOSAL = 16
"""Running trials by which such a batch grows by one proposal: one trial of so many changes the
posterior little."""


class CostAwareSearcher:
    """Proposes the candidate with the largest expected hypervolume improvement per cost.

    A Gaussian process over configurations and epochs predicts the curve objective at full training
    from the learning curves of all trials, stopped ones included. ``known_cost`` gives the other
    objectives exactly; those it lacks, such as a measured latency, are predicted by their mean.

    Proposals are random until ten trials have an epoch, and in a small sweep throughout, so that
    they depend on the seed alone. In sweeps of many hundred trials, or with many running ones,
    proposals are planned in batches, so that each stays cheap.
    """

    def __init__(self, problem: SearchProblem, tried: TriedConfigs) -> None:
        self._problem = problem
        self._tried = tried
        self._surrogate = SurrogateState(problem, tried)
        self._small = problem.trials_to_learn_from <= SMALL_SWEEP
        self._earlier = problem.earlier_trials
        self._asked = 0
        self._planned: list[Config] = []

    def observe(self, event: SweepEvent) -> None:
        """Update trials, costs and learning curves; after a proposal, draw new candidates."""
        if self._small:  # random proposals depend on the tried configurations alone
            if isinstance(event, TrialAsked):
                self._tried.add(event.config)
            return
        in_space = self._surrogate.observe(event)
        if isinstance(event, TrialAsked):
            self._asked += 1
            if in_space and self._asked > self._earlier:
                self._prepare(event.number)
            elif in_space and self._asked > self._earlier - TRIALS_IN_POOL:
                self._refresh_candidates(event.number)

    def propose(self, number: int) -> Config | None:
        """Return the best new candidate; None when every configuration has been tried."""
        rng = np.random.default_rng((self._problem.seed, number))
        ranked = self._planned or self._ranked(rng)
        best = next((config for config in ranked if self._tried.is_new(config)), None)
        return self._tried.sample_new(rng) if best is None else best

    def _prepare(self, number: int) -> None:
        """Draw candidates after trial ``number`` was asked for; plan a batch where one is due.

        A batch is planned here and not in ``propose``, so that a replayed searcher plans the same.
        """
        batch = 0 if number < BATCH_FROM else 1 + (number - BATCH_FROM) // BATCH_GROWTH
        running = len(self._surrogate.observations.running)
        if running >= MANY_RUNNING:
            batch = max(batch, running // RUNNING_PER_PROPOSAL)
        if batch and number % min(batch, MAX_BATCH):
            return
        rng = self._refresh_candidates(number)
        self._planned = self._ranked(rng) if batch else []

    def _refresh_candidates(self, number: int) -> np.random.Generator:
        """Draw candidates; return the random generator in its state after them."""
        rng = np.random.default_rng((self._problem.seed, number, 1))
        self._surrogate.refresh_candidates(rng)
        return rng

    def _ranked(self, rng: np.random.Generator) -> list[Config]:
        """Return candidates after local search, best first; none before ``STARTUP_TRIALS``."""
        observed = len(self._surrogate.observations.observed)
        if observed < STARTUP_TRIALS or not self._surrogate.pool.configs:
            return []
        acquisition = self._surrogate.acquisition()
        ranked = self._surrogate.ranked_candidates(acquisition)
        new = (scored for scored in ranked if self._tried.is_new(scored[1]))
        best = list(itertools.islice(new, PARENTS))
        for width in REFINED_WIDTHS:
            best = self._refined(rng, acquisition, best or ranked[:1], width)
        return [config for _, config in [*best, *ranked]]

    def _refined(
        self,
        rng: np.random.Generator,
        acquisition: ImprovementPerCost,
        best: list[Scored],
        width: float,
    ) -> list[Scored]:
        """Return the best of ``best`` and their neighbours, best first."""
        parents = [config for _, config in best[:REFINED_PARENTS]]
        drawn = (
            neighbour(self._problem.space, parents[i % len(parents)], rng, width=width)
            for i in range(REFINED)
        )
        with_known = ((config, self._tried.feasible_metrics(config, new=True)) for config in drawn)
        feasible = [(config, known) for config, known in with_known if known is not None]
        if not feasible:
            return best
        configs, known = zip(*feasible, strict=True)
        encode = self._surrogate.encoder.encode
        vectors = np.array([encode(*pair) for pair in feasible])
        values = acquisition.of_candidates(vectors, known)
        scored = [*best, *zip(values.tolist(), configs, strict=True)]
        return sorted(scored, key=lambda entry: -entry[0])[:PARENTS]
