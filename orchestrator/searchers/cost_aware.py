"""A searcher that expects hypervolume from a learning-curve model with costs known exactly."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from orchestrator.events import EpochReported, TrialAsked
from orchestrator.hypervolume_gain import CostCells
from orchestrator.pareto import non_dominated_ranks
from orchestrator.searchers.candidates import CandidatePool, neighbour
from orchestrator.searchers.cost_table import CostTable
from orchestrator.searchers.curve_model import CurveModel
from orchestrator.searchers.encoding import Encoder
from orchestrator.searchers.trial_memory import TrialMemory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from orchestrator.events import SweepEvent
    from orchestrator.searchers.novelty import Novelty
    from orchestrator.searchers.problem import SearchProblem
    from search_spaces.space import Config

    Array = NDArray[np.float64]

STARTUP_TRIALS = 10
"""Trials with an epoch before anything is learned from them."""
REFINED = 24
"""Neighbours of the best candidates that are looked at last."""
REFINED_WIDTH = 0.07
PARENTS = 20
PENDING = 64
"""Running trials that are taken into account, the latest ones."""
DEEPEST = 80


class CostAwareSearcher:
    """Proposes the configuration that promises most hypervolume when trained to its end.

    The first objective that is not known before training is predicted with its uncertainty from
    the learning curves of all trials, stopped ones as well: a Gaussian process over configurations
    and training lengths, asked at full length. The other objectives come from ``known_cost``
    exactly; what it does not give, such as a latency measured on a lane, is predicted by its mean.
    A candidate's worth is its expected gain of hypervolume over what all trials reached so far and
    what the running ones are believed to reach.

    Until ten trials have an epoch, proposals are random.
    """

    def __init__(self, problem: SearchProblem, novelty: Novelty) -> None:
        self._problem = problem
        self._novelty = novelty
        self._encoder = Encoder(problem.space)
        self._learned = problem.learned
        self._memory = TrialMemory(self._encoder, self._learned)
        self._model = CurveModel(self._encoder, self._memory, max_epochs=problem.max_epochs)
        self._costs = CostTable(problem, self._encoder, self._memory)
        self._pool = CandidatePool(problem.space, self._encoder, novelty)

    def observe(self, event: SweepEvent) -> None:
        """Take note of trials, costs and epochs; refit the model now and then."""
        if isinstance(event, TrialAsked):
            self._novelty.add(event.config)
            if self._problem.space.faults(event.config):
                return
            self._memory.observe(event)
            rng = np.random.default_rng((self._problem.seed, event.number, 1))
            self._pool.refresh(rng, self._parents())
        else:
            self._memory.observe(event)
        self._costs.observe(event)
        self._model.outdate()
        if isinstance(event, EpochReported) and event.epoch == 1:
            self._model.fit_if_due()

    def propose(self, number: int) -> Config | None:
        """Return the most promising new configuration; None when the space has no further one."""
        rng = np.random.default_rng((self._problem.seed, number))
        if self._model.observations < STARTUP_TRIALS or not self._pool.configs:
            return self._novelty.fresh(rng)
        promise = Promise(self._memory, self._model, self._costs)
        scores = promise.of(self._pool.vectors, self._pool.known)
        order = np.argsort(-scores, kind="stable")
        found = self._first_new([self._pool.configs[i] for i in order])
        near = self._refined(rng, [self._pool.configs[i] for i in order[:4]])
        if near:
            vectors = np.array([self._encoder.encode(config) for config in near])
            near_scores = promise.of(vectors, [self._novelty.known(config) for config in near])
            best = int(np.argmax(near_scores))
            if found is None or near_scores[best] > scores[order[0]]:
                found = near[best]
        return found if found is not None else self._novelty.fresh(rng)

    def _refined(self, rng: np.random.Generator, parents: Sequence[Config]) -> list[Config]:
        near = (
            neighbour(self._problem.space, parents[i % len(parents)], rng, width=REFINED_WIDTH)
            for i in range(REFINED)
        )
        return [config for config in near if self._novelty.allows(config)]

    def _first_new(self, configs: Sequence[Config]) -> Config | None:
        return next((config for config in configs if self._novelty.is_new(config)), None)

    def _parents(self) -> list[Config]:
        """Configurations of the best among the deepest trials."""
        deepest = self._memory.deepest(DEEPEST)
        if len(deepest) < 4:
            return []
        costs = self._costs.of_trials(deepest)
        points = np.column_stack([[trial.best for trial in deepest], costs])
        layers = non_dominated_ranks(points, self._costs.point_objectives)
        order = np.lexsort((np.arange(len(deepest)), layers))
        return [deepest[i].config for i in order[:PARENTS]]


class Promise:
    """The expected gain of hypervolume, as things stand when it is made."""

    def __init__(self, memory: TrialMemory, model: CurveModel, costs: CostTable) -> None:
        self._costs = costs
        running = memory.running[-PENDING:]
        self._outlook, believed = model.believing(running)
        reached, reached_costs = costs.front()
        y = np.concatenate([model.squash(reached), believed])
        k = np.vstack([reached_costs, costs.of_trials(running)])
        self._cells = CostCells(*costs.box())
        self._best = self._cells.best(y, k, model.ceiling(costs.worst_learned))

    def of(self, vectors: Array, known: Sequence[Mapping[str, float]]) -> Array:
        """Return the gain of each candidate, 0 for those that break a predicted constraint."""
        mean, deviation = self._outlook.predict_final(vectors)
        costs, feasible = self._costs.of_candidates(vectors, known)
        gain = self._cells.gain(mean, deviation, costs, self._best)
        return np.where(feasible, gain, -math.inf)
