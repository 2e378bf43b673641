"""Configurations that already have a trial, and new ones that keep the known constraints."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

from search_spaces.space import config_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import numpy as np

    from orchestrator.search.searchers.problem import SearchProblem
    from orchestrator.spec.constraints import Constraint
    from search_spaces.domains import Value
    from search_spaces.space import Config, SearchSpace

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
