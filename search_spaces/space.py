"""The joint search space: dimensions, some of which exist only under a condition."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from search_spaces.conditions import ALWAYS
from search_spaces.counting import walk
from search_spaces.dimension import Dimension
from search_spaces.domains import values_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np

    from search_spaces.conditions import Condition
    from search_spaces.domains import Domain, Value

__all__ = ["Config", "Dimension", "SearchSpace", "config_digest"]

Config: TypeAlias = "dict[str, Value]"
"""One point of a space: the active dimensions and their values, in the space's order."""


@dataclass(frozen=True, slots=True)
class SearchSpace:
    """Dimensions in an order in which every condition reads only earlier ones.

    Example:
        >>> space = SearchSpace.of(optimizer=Categorical("adamw", "sgd"), momentum=Float(0.8, 0.99))
        >>> space = space.where("momentum", Equals("optimizer", "sgd"))
    """

    dimensions: tuple[Dimension, ...]

    def __post_init__(self) -> None:
        """Refuse a name given twice and a condition on a dimension that is not before it."""
        if not all(isinstance(dimension, Dimension) for dimension in self.dimensions):
            raise TypeError(
                f"a space is made of dimensions, got {self.dimensions!r}; "
                "SearchSpace.of(name=domain, ...) makes them"
            )
        seen: set[str] = set()
        for dimension in self.dimensions:
            if dimension.name in seen:
                raise ValueError(f"dimension {dimension.name!r} is defined twice")
            unknown = dimension.when.parents - seen
            if unknown:
                raise ValueError(
                    f"the condition of {dimension.name!r} reads {sorted(unknown)}, which must be "
                    f"dimensions defined before it; those are {sorted(seen)}"
                )
            seen.add(dimension.name)

    @classmethod
    def of(cls, domains: Mapping[str, Domain] | None = None, /, **more: Domain) -> SearchSpace:
        """Build an unconditional space from domains by name, in their order.

        Args:
            domains: Those whose names are no Python names, such as ``lr-decay``, or any.
            more: Others, as ``name=domain``.

        Raises:
            TypeError: something is no domain.
        """
        named = {**(domains or {}), **more}
        return cls(tuple(Dimension(name, domain) for name, domain in named.items()))

    def where(self, name: str, when: Condition) -> SearchSpace:
        """Return the same space with the condition of dimension ``name`` replaced.

        Raises:
            KeyError: there is no dimension of that name.
        """
        if name not in self.names:
            raise KeyError(f"no dimension {name!r}; there are {list(self.names)}")
        return SearchSpace(
            tuple(
                Dimension(d.name, d.domain, when) if d.name == name else d for d in self.dimensions
            )
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all dimensions, active or not, in order."""
        return tuple(dimension.name for dimension in self.dimensions)

    def __iter__(self) -> Iterator[Dimension]:
        """Iterate over the dimensions in order."""
        return iter(self.dimensions)

    def __getitem__(self, name: str) -> Dimension:
        """Return the dimension of that name; KeyError where there is none."""
        for dimension in self.dimensions:
            if dimension.name == name:
                return dimension
        raise KeyError(f"no dimension {name!r}; there are {list(self.names)}")

    @property
    def fixed(self) -> Config:
        """Dimensions that have one value in every configuration, with that value."""
        return {
            d.name: values_of(d.domain)[0] for d in self if d.domain.size == 1 and d.when == ALWAYS
        }

    @property
    def searched(self) -> tuple[str, ...]:
        """Names of the dimensions with more than one value, in order."""
        return tuple(d.name for d in self.dimensions if d.domain.size > 1)

    def sample(self, rng: np.random.Generator) -> Config:
        """Return one configuration: every active dimension drawn from its domain, in order."""
        return self.complete({}, rng)

    def complete(self, partial: Mapping[str, Value], rng: np.random.Generator) -> Config:
        """Return a configuration that keeps what it can of ``partial`` and draws the rest.

        A value is kept where its dimension is active and its domain holds it. So a mutation is the
        completion of a configuration without the dimensions to draw anew, a crossover that of two
        merged ones.
        """
        config: Config = {}
        for dimension in self.dimensions:
            if dimension.when.holds(config):
                kept = partial.get(dimension.name)
                if kept is None or not dimension.domain.contains(kept):
                    kept = dimension.domain.sample(rng)
                config[dimension.name] = kept
        return config

    def points(self) -> Iterator[Config]:
        """Iterate over all configurations of a finite space, the last dimension fastest.

        Raises:
            ValueError: an active dimension has infinitely many values.
        """
        return self._points_from(0, {})

    def _points_from(self, index: int, config: Config) -> Iterator[Config]:
        if index == len(self.dimensions):
            yield dict(config)
        elif not self.dimensions[index].when.holds(config):
            yield from self._points_from(index + 1, config)
        else:
            dimension = self.dimensions[index]
            for value in values_of(dimension.domain):
                yield from self._points_from(index + 1, {**config, dimension.name: value})

    def faults(self, config: Mapping[str, Value]) -> list[str]:
        """Return what keeps ``config`` from being a point of the space; empty where it is one."""
        found = [
            f"{name}: unknown dimension; there are {', '.join(self.names)}"
            for name in config
            if name not in self.names
        ]
        for dimension in self.dimensions:
            active = dimension.when.holds(config)
            if active and dimension.name not in config:
                found.append(f"{dimension.name}: missing, its condition holds")
            elif not active and dimension.name in config:
                found.append(f"{dimension.name}: given although its condition does not hold")
            elif active and not dimension.domain.contains(config[dimension.name]):
                found.append(
                    f"{dimension.name}: {config[dimension.name]!r} is not in {dimension.domain}"
                )
        return found

    def count(self) -> float:
        """Return the exact number of configurations, conditions considered; may be infinite."""
        return walk(self.dimensions)[0]

    @property
    def size(self) -> float:
        """The same as ``count()``, as domains have it."""
        return self.count()

    def reduced(self) -> SearchSpace:
        """Return an equivalent space without what can never matter.

        Dimensions that are active in no configuration go, unless a condition that stays reads
        them; conditions that hold in every configuration become ``ALWAYS``.
        """
        activity = walk(self.dimensions)[1]
        kept: list[Dimension] = []
        read: frozenset[str] = frozenset()
        for dimension in reversed(self.dimensions):
            seen = activity[dimension.name]
            if True not in seen and dimension.name not in read:
                continue
            when = dimension.when if False in seen else ALWAYS
            kept.append(Dimension(dimension.name, dimension.domain, when))
            read |= when.parents
        return SearchSpace(tuple(reversed(kept)))


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


def config_digest(config: Mapping[str, Value]) -> str:
    """Return 16 hex digits that are equal for equal configurations, whatever their key order.

    Floats are compared at 12 significant digits, and an integral float equals its integer, so that
    a round trip through text does not make a new configuration.
    """
    canonical = {
        name: _canonical(value) if isinstance(value, float) else value
        for name, value in config.items()
    }
    return hashlib.sha256(_ENCODER.encode(canonical).encode()).hexdigest()[:16]


def _canonical(value: float) -> Value:
    rounded = float(f"{value:.12g}")
    return int(rounded) if rounded.is_integer() else rounded
