"""A searcher that expects hypervolume from a learning-curve model with costs known exactly."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from orchestrator.ledger.events import TrialAsked
from orchestrator.search.searchers.candidates import TRIALS_IN_POOL, neighbour
from orchestrator.search.searchers.surrogate_state import PARENTS, SurrogateState

if TYPE_CHECKING:
    from orchestrator.ledger.events import SweepEvent
    from orchestrator.search.searchers.improvement_per_cost import ImprovementPerCost
    from orchestrator.search.searchers.problem import SearchProblem
    from orchestrator.search.searchers.surrogate_state import Scored
    from orchestrator.search.searchers.tried_configs import TriedConfigs
    from search_spaces.space import Config

STARTUP_TRIALS = 10
"""Trials with an epoch before anything is learned from them."""
SMALL_SWEEP = 16
"""Trials, with those of earlier sweeps, of a sweep that is random altogether, as there is next to
nothing to learn from."""
REFINED_WIDTHS = (0.15, 0.1, 0.05, 0.02)
"""Rounds in which the best candidates are bettered, each with the width of its steps."""
REFINED = 80
"""Neighbours that are looked at in a round."""
REFINED_PARENTS = 4
BATCH_FROM = 400
"""Trials from which on several proposals are planned at once."""
BATCH_GROWTH = 100
"""Trials by which a plan grows by one proposal."""
LARGEST_BATCH = 64
MANY_RUNNING = 64
"""Running trials from which on proposals are planned a few at a time in a young sweep, too."""
RUNNING_PER_PROPOSAL = 16
"""Running trials by which such a plan grows by one proposal: what one of so many tells changes
little."""


class CostAwareSearcher:
    """Proposes the configuration that promises most hypervolume when trained to its end.

    The first objective that is not known before training is predicted with its uncertainty from
    the learning curves of all trials, stopped ones as well: a Gaussian process over configurations
    and training lengths, asked at full length. The other objectives come from ``known_cost``
    exactly; what it does not give, such as a latency measured on a lane, is predicted by its mean.
    A candidate's worth is its expected gain of hypervolume over what all trials reached so far and
    what the running ones are fantasies to reach.

    Until ten trials have an epoch, proposals are random; those of a small sweep all are, so that
    they depend on the seed alone. In sweeps of many hundred trials, or with many at once, proposals
    are planned a few at a time, so that each stays cheap.
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
        """Take note of trials, costs and epochs; refit the model now and then."""
        if self._small:  # nothing is learned: what was tried is all that counts
            if isinstance(event, TrialAsked):
                self._tried.add(event.config)
            return
        point = self._surrogate.observe(event)
        if isinstance(event, TrialAsked):
            self._asked += 1
            if point and self._asked > self._earlier:
                self._prepare(event.number)
            elif point and self._asked > self._earlier - TRIALS_IN_POOL:
                self._refresh_candidates(event.number)

    def propose(self, number: int) -> Config | None:
        """Return the most promising new configuration; None when the space has no further one."""
        rng = np.random.default_rng((self._problem.seed, number))
        ranked = self._planned or self._ranked(rng)
        found = next((config for config in ranked if self._tried.is_new(config)), None)
        return self._tried.fresh(rng) if found is None else found

    def _prepare(self, number: int) -> None:
        """Look for candidates after trial ``number`` was asked for; plan ahead where that pays.

        A plan is made here and not in ``propose``, so that a replayed searcher makes the same.
        """
        ahead = 0 if number < BATCH_FROM else 1 + (number - BATCH_FROM) // BATCH_GROWTH
        running = len(self._surrogate.memory.running)
        if running >= MANY_RUNNING:
            ahead = max(ahead, running // RUNNING_PER_PROPOSAL)
        if ahead and number % min(ahead, LARGEST_BATCH):
            return
        rng = self._refresh_candidates(number)
        self._planned = self._ranked(rng) if ahead else []

    def _refresh_candidates(self, number: int) -> np.random.Generator:
        """Gather candidates; return the source of their randomness, for what comes after."""
        rng = np.random.default_rng((self._problem.seed, number, 1))
        self._surrogate.refresh_candidates(rng)
        return rng

    def _ranked(self, rng: np.random.Generator) -> list[Config]:
        """Return the most promising configurations, the best first; none before the start."""
        young = self._surrogate.observations < STARTUP_TRIALS
        if young or not self._surrogate.pool.configs:
            return []
        promise = self._surrogate.promise()
        ranked = self._surrogate.ranked(promise)
        new = (entry for entry in ranked if self._tried.is_new(entry[1]))
        best = list(itertools.islice(new, PARENTS))
        for width in REFINED_WIDTHS:
            best = self._refined(rng, promise, best or ranked[:1], width)
        return [config for _, config in [*best, *ranked]]

    def _refined(
        self,
        rng: np.random.Generator,
        promise: ImprovementPerCost,
        best: list[Scored],
        width: float,
    ) -> list[Scored]:
        """Return the best of ``best`` with their neighbours, the most promising first."""
        parents = [config for _, config in best[:REFINED_PARENTS]]
        drawn = (
            neighbour(self._problem.space, parents[i % len(parents)], rng, width=width)
            for i in range(REFINED)
        )
        looked_up = [(config, self._tried.feasible(config, new=True)) for config in drawn]
        found = [(config, known) for config, known in looked_up if known is not None]
        if not found:
            return best
        near, known = zip(*found, strict=True)
        encode = self._surrogate.encoder.encode
        scores = promise.of(np.array([encode(*each) for each in found]), known)
        scored = [*best, *zip(scores.tolist(), near, strict=True)]
        return sorted(scored, key=lambda entry: -entry[0])[:PARENTS]
