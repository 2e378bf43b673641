"""The interface of searchers, and what they are given before the first trial."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

from orchestrator.ledger.events import TrialAsked, TrialEnded
from search_spaces.space import config_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.spec.objectives import Constraint, Objective
    from search_spaces.domains import Value
    from search_spaces.space import Config, SearchSpace


class Searcher(Protocol):
    """Proposes configurations.

    All state comes from ``observe``: a searcher that observes a ledger's events has the state of
    the one that proposed them. ``propose`` changes no state; its randomness depends only on the
    sweep's seed and ``number``.
    """

    def propose(self, number: int) -> Config | None:
        """Return a new configuration; None when every configuration has been tried."""

    def observe(self, event: SweepEvent) -> None:
        """Update the state by one event; events come in ledger order, each once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchProblem:
    """Space, objectives and limits of a search.

    Raises:
        ValueError: there is no objective, or the seed is negative.
    """

    space: SearchSpace
    """The search space."""
    objectives: Sequence[Objective]
    """The objectives, >= 1; the first one that ``known_cost`` lacks is the curve objective."""
    seed: int = 0
    """Seed of all proposals, >= 0."""
    max_epochs: int = 1
    """Epochs of a full training, >= 1."""
    trials: int | None = None
    """Trials of the budget, >= 1; None for no limit."""
    constraints: Sequence[Constraint] = ()
    """Bounds on metrics."""
    known_cost: Callable[[Config], Mapping[str, float]] | None = None
    """Metrics of a configuration that need no training, computed in milliseconds."""
    reference_point: Mapping[str, float] = field(default_factory=dict)
    """Reference values of objectives; missing ones are estimated from the trials."""
    earlier: Sequence[SweepEvent] = field(default=(), repr=False)
    """Events of earlier sweeps' trials, observed before the first trial."""

    def __post_init__(self) -> None:
        if not self.objectives:
            raise ValueError("a search needs at least one objective, none was given")
        if not self.seed >= 0:
            raise ValueError(f"the seed of a search must be 0 or more, got {self.seed}")

    @property
    def trials_to_learn_from(self) -> float:
        """Trials of the budget and of earlier sweeps; inf for no limit."""
        return math.inf if self.trials is None else self.trials + self.earlier_trials

    @property
    def earlier_trials(self) -> int:
        """Number of trials of earlier sweeps."""
        return sum(isinstance(event, TrialAsked) for event in self.earlier)

    @property
    def unfinished(self) -> Sequence[str]:
        """Digests of earlier configurations without a complete training for this problem."""
        complete = {
            event.trial_id
            for event in self.earlier
            if isinstance(event, TrialEnded) and event.state == "complete"
        }
        return [
            config_digest(event.config)
            for event in self.earlier
            if isinstance(event, TrialAsked) and event.trial_id not in complete
        ]

    @property
    def curve_objective(self) -> Objective:
        """The objective whose learning curve is modelled.

        It is the first one that ``known_cost`` does not give, or the first if it gives all.
        """
        if self.known_cost is None:
            return self.objectives[0]
        known = self.known_cost(self.space.sample(np.random.default_rng(0)))
        return next((o for o in self.objectives if o.name not in known), self.objectives[0])


RANDOM_TRIES = 100
"""Random configurations drawn before a finite space is enumerated."""
MIN_VIOLATION = 1e-12
"""Added to every violation, so that a strict bound broken by equality counts."""
CACHED_COSTS = 10_000
"""Configurations whose known metrics are cached."""
ENUMERATION_LIMIT = 200_000
"""Largest number of configurations that is enumerated to find the remaining ones."""


class TriedConfigs:
    """Records which configurations have a trial, so that none is proposed twice.

    Args:
        space: the search space.
        constraints: bounds on metrics.
        known_cost: metrics of a configuration that need no training.
        unfinished: digests of configurations whose first trial does not count, as an earlier sweep
            trained it for fewer epochs than this one would.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        constraints: Sequence[Constraint] = (),
        known_cost: Callable[[Config], Mapping[str, float]] | None = None,
        unfinished: Iterable[str] = (),
    ) -> None:
        self.space = space
        self._constraints = tuple(constraints)
        self._known_cost = known_cost
        self._unfinished = set(unfinished)
        self._digests: set[str] = set()
        self._costs: dict[str, dict[str, float]] = {}

    @classmethod
    def of(cls, problem: SearchProblem) -> TriedConfigs:
        """Return an empty record for ``problem``, before its earlier trials are observed."""
        return cls(
            problem.space,
            constraints=problem.constraints,
            known_cost=problem.known_cost,
            unfinished=problem.unfinished,
        )

    def add(self, config: Mapping[str, Value]) -> None:
        """Record that ``config`` has a trial."""
        digest = config_digest(config)
        if digest in self._unfinished:
            self._unfinished.discard(digest)
            return
        self._digests.add(digest)
        self._costs.pop(digest, None)

    def is_new(self, config: Mapping[str, Value]) -> bool:
        """Whether ``config`` has no trial."""
        return config_digest(config) not in self._digests

    def known_metrics(self, config: Config) -> dict[str, float]:
        """Return the metrics of ``config`` that need no training; empty without ``known_cost``."""
        return {} if self._known_cost is None else self._cached(config, config_digest(config))

    def feasible_metrics(self, config: Config, *, new: bool = False) -> dict[str, float] | None:
        """Return the known metrics of ``config``; None where they break a constraint.

        Args:
            config: a point of the space.
            new: return None for a configuration with a trial, too.
        """
        digest = config_digest(config)
        if new and digest in self._digests:
            return None
        known = self._cached(config, digest)
        return None if total_violation(self._constraints, known) > 0 else known

    def _cached(self, config: Config, digest: str) -> dict[str, float]:
        if self._known_cost is None:
            return {}
        if digest not in self._costs:
            if len(self._costs) > CACHED_COSTS:
                self._costs.clear()
            self._costs[digest] = dict(self._known_cost(config))
        return self._costs[digest]

    def sample_new(self, rng: np.random.Generator) -> Config | None:
        """Return a random configuration without a trial; None where a finite space has none.

        If no feasible one is drawn, the one that breaks the constraints least is returned; the cost
        gate rules it out without training.
        """
        best: tuple[float, Config] | None = None
        for _ in range(RANDOM_TRIES):
            config = self.space.sample(rng)
            if not self.is_new(config):
                continue
            violation = total_violation(self._constraints, self.known_metrics(config))
            if not violation > 0:
                return config
            if best is None or violation < best[0]:
                best = (violation, config)
        if best is not None:
            return best[1]
        remaining = [config for config in self._enumerated() if self.is_new(config)]
        return remaining[int(rng.integers(len(remaining)))] if remaining else None

    def _enumerated(self) -> Iterator[Config]:
        """Iterate over all configurations of a small finite space; over none of any other."""
        if not self.space.size <= ENUMERATION_LIMIT:
            return iter(())
        return itertools.islice(self.space.points(), ENUMERATION_LIMIT)


def total_violation(constraints: Iterable[Constraint], metrics: Mapping[str, float]) -> float:
    """Return the sum of the constraints' violations, each relative to its bound; 0 if all hold.

    A missing metric, which is not known yet, violates nothing. NaN violates by inf.
    """
    total = 0.0
    for constraint in constraints:
        value = metrics.get(constraint.metric)
        if value is None or constraint.holds(value):
            continue
        gap = abs(value - constraint.bound) / (abs(constraint.bound) or 1.0)
        total += math.inf if math.isnan(gap) else gap + MIN_VIOLATION
    return total
