"""Configurations that already have a trial, and new ones that keep the known constraints."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

from search_spaces.domains import Categorical, Int, LogInt
from search_spaces.space import config_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import numpy as np

    from orchestrator.search.searchers.problem import SearchProblem
    from orchestrator.spec.constraints import Constraint
    from search_spaces.domains import Domain, Value
    from search_spaces.space import Config, SearchSpace

RANDOM_TRIES = 100
TINY_EXCESS = 1e-12
"""Added to every broken bound, so that a strict one broken by equality counts."""
KEPT_COSTS = 10_000
"""Configurations whose known metrics are kept."""
ENUMERATION_LIMIT = 200_000
"""Largest number of configurations that is enumerated to find the ones left."""


class TriedConfigs:
    """Remembers what was tried, so that nothing is tried twice.

    Args:
        space: what may be tried.
        constraints: bounds on metrics.
        known_cost: metrics of a configuration that need no training.
        unfinished: digests of configurations whose first trial does not count: it belongs to an
            earlier sweep, which did not train it as long as this one would.
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
        self._seen: set[str] = set()
        self._costs: dict[str, dict[str, float]] = {}

    @classmethod
    def of(cls, problem: SearchProblem) -> TriedConfigs:
        """Return one that is yet to observe the problem's earlier trials, and its own."""
        return cls(
            problem.space,
            constraints=problem.constraints,
            known_cost=problem.known_cost,
            unfinished=problem.unfinished,
        )

    def add(self, config: Mapping[str, Value]) -> None:
        """Note that ``config`` has a trial."""
        digest = config_digest(config)
        if digest in self._unfinished:
            self._unfinished.discard(digest)
            return
        self._seen.add(digest)
        self._costs.pop(digest, None)

    def is_new(self, config: Mapping[str, Value]) -> bool:
        """Whether no trial has had ``config``."""
        return config_digest(config) not in self._seen

    def known(self, config: Config) -> dict[str, float]:
        """Return what is known of ``config`` before training; empty without a cost function."""
        return {} if self._known_cost is None else self._look_up(config, config_digest(config))

    def feasible(self, config: Config, *, new: bool = False) -> dict[str, float] | None:
        """Return what is known of ``config``; None where that breaks a constraint.

        Args:
            config: a point of the space.
            new: answer None for a configuration that has had a trial, too.
        """
        digest = config_digest(config)
        if new and digest in self._seen:
            return None
        known = self._look_up(config, digest)
        return None if total_violation(self._constraints, known) > 0 else known

    def _look_up(self, config: Config, digest: str) -> dict[str, float]:
        if self._known_cost is None:
            return {}
        if digest not in self._costs:
            if len(self._costs) > KEPT_COSTS:
                self._costs.clear()
            self._costs[digest] = dict(self._known_cost(config))
        return self._costs[digest]

    def fresh(self, rng: np.random.Generator) -> Config | None:
        """Return a random new configuration, a feasible one if one is found.

        None means that every configuration of a finite space was tried. Where no feasible one is
        found, the one that breaks the constraints least is returned: the cost gate settles it
        without training.
        """
        best: tuple[float, Config] | None = None
        for _ in range(RANDOM_TRIES):
            config = self.space.sample(rng)
            if not self.is_new(config):
                continue
            excess = total_violation(self._constraints, self.known(config))
            if not excess > 0:
                return config
            if best is None or excess < best[0]:
                best = (excess, config)
        if best is not None:
            return best[1]
        left = [config for config in self.every() if self.is_new(config)]
        return left[int(rng.integers(len(left)))] if left else None

    def every(self) -> Iterator[Config]:
        """Iterate over a finite space's configurations; over none of a space too large for that."""
        if not self.space.size <= ENUMERATION_LIMIT or math.isinf(self.space.size):
            return iter(())
        return itertools.islice(_extend(self.space, 0, {}), ENUMERATION_LIMIT)


def total_violation(constraints: Iterable[Constraint], metrics: Mapping[str, float]) -> float:
    """Return by how much ``metrics`` break the bounds, each relative to its bound, summed.

    A metric that is not there keeps every bound (it is not known yet); NaN breaks it by infinity.
    """
    total = 0.0
    for constraint in constraints:
        value = metrics.get(constraint.metric)
        if value is None or constraint.holds(value):
            continue
        gap = abs(value - constraint.bound) / (abs(constraint.bound) or 1.0)
        total += math.inf if math.isnan(gap) else gap + TINY_EXCESS
    return total


def values_of(domain: Domain) -> Sequence[Value]:
    """Return all values of a finite domain, in order."""
    if isinstance(domain, Categorical):
        return domain.choices
    if isinstance(domain, Int | LogInt):
        return range(domain.low, domain.high + 1)
    return (domain.low,)


def _extend(space: SearchSpace, position: int, begun: Config) -> Iterator[Config]:
    if position == len(space.dimensions):
        yield dict(begun)
        return
    dimension = space.dimensions[position]
    if not dimension.when.holds(begun):
        yield from _extend(space, position + 1, begun)
        return
    for value in values_of(dimension.domain):
        yield from _extend(space, position + 1, {**begun, dimension.name: value})
