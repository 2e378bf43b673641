"""Conditional search spaces."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from search_spaces.conditions import ALWAYS
from search_spaces.counting import count_configs
from search_spaces.dimension import Dimension
from search_spaces.domains import values_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np

    from search_spaces.conditions import Condition
    from search_spaces.domains import Domain, Value

__all__ = ["Config", "Dimension", "SearchSpace", "config_digest"]

Config: TypeAlias = "dict[str, Value]"
"""One point of a space: values of the active dimensions, in the space's order."""


@dataclass(frozen=True, slots=True)
class SearchSpace:
    """An ordered tuple of dimensions; conditions read only earlier ones.

    Example:
        >>> space = SearchSpace.of(optimizer=Categorical("adamw", "sgd"), momentum=Float(0.8, 0.99))
        >>> space = space.where("momentum", Equals("optimizer", "sgd"))
    """

    dimensions: tuple[Dimension, ...]

    def __post_init__(self) -> None:
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
        """Return an unconditional space of domains by name, in their order.

        Args:
            domains: Domains by name, which need not be a Python identifier.
            more: Further domains, as ``name=domain``.

        Raises:
            TypeError: a value is not a domain.
        """
        named = {**(domains or {}), **more}
        return cls(tuple(Dimension(name, domain) for name, domain in named.items()))

    def where(self, name: str, when: Condition) -> SearchSpace:
        """Return the space with the condition of dimension ``name`` replaced by ``when``.

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
        return iter(self.dimensions)

    def __getitem__(self, name: str) -> Dimension:
        """Return the dimension ``name``; KeyError if there is none."""
        for dimension in self.dimensions:
            if dimension.name == name:
                return dimension
        raise KeyError(f"no dimension {name!r}; there are {list(self.names)}")

    @property
    def fixed(self) -> Config:
        """The value of each dimension that has the same one in every configuration."""
        return {
            d.name: values_of(d.domain)[0] for d in self if d.domain.size == 1 and d.when == ALWAYS
        }

    @property
    def searched(self) -> tuple[str, ...]:
        """Names of the dimensions with more than one value, in order."""
        return tuple(d.name for d in self.dimensions if d.domain.size > 1)

    def sample(self, rng: np.random.Generator) -> Config:
        """Return a random configuration."""
        return self.complete({}, rng)

    def complete(self, partial: Mapping[str, Value], rng: np.random.Generator) -> Config:
        """Return a configuration with the valid values of ``partial``; the others are drawn.

        A value is valid if its dimension is active and its domain contains it. So a mutation
        completes a configuration without the mutated dimensions, a crossover two merged ones.
        """
        config: Config = {}
        for dimension in self.dimensions:
            if dimension.when.holds(config):
                value = partial.get(dimension.name)
                if value is None or not dimension.domain.contains(value):
                    value = dimension.domain.sample(rng)
                config[dimension.name] = value
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
        """Return why ``config`` is not a point of the space; empty if it is one."""
        faults = [
            f"{name}: unknown dimension; there are {', '.join(self.names)}"
            for name in config
            if name not in self.names
        ]
        for dimension in self.dimensions:
            active = dimension.when.holds(config)
            if active and dimension.name not in config:
                faults.append(f"{dimension.name}: missing, its condition holds")
            elif not active and dimension.name in config:
                faults.append(f"{dimension.name}: given although its condition does not hold")
            elif active and not dimension.domain.contains(config[dimension.name]):
                faults.append(
                    f"{dimension.name}: {config[dimension.name]!r} is not in {dimension.domain}"
                )
        return faults

    def count(self) -> float:
        """Return the number of configurations, conditions considered; may be inf."""
        return count_configs(self.dimensions)[0]

    @property
    def size(self) -> float:
        """The same as ``count()``, for symmetry with domains."""
        return self.count()

    def reduced(self) -> SearchSpace:
        """Return an equivalent space without dimensions that are never active.

        Such a dimension stays if a remaining condition reads it. Conditions that hold in every
        configuration become ``ALWAYS``.
        """
        activity = count_configs(self.dimensions)[1]
        remaining: list[Dimension] = []
        read: frozenset[str] = frozenset()
        for dimension in reversed(self.dimensions):
            seen = activity[dimension.name]
            if True not in seen and dimension.name not in read:
                continue
            when = dimension.when if False in seen else ALWAYS
            remaining.append(Dimension(dimension.name, dimension.domain, when))
            read |= when.parents
        return SearchSpace(tuple(reversed(remaining)))


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


def config_digest(config: Mapping[str, Value]) -> str:
    """Return 16 hex digits, equal for equal configurations in any key order.

    Floats are rounded to 12 significant digits, and an integral float equals its integer, so that a
    round trip through text keeps the digest.
    """
    canonical = {
        name: _canonical(value) if isinstance(value, float) else value
        for name, value in config.items()
    }
    return hashlib.sha256(_ENCODER.encode(canonical).encode()).hexdigest()[:16]


def _canonical(value: float) -> Value:
    rounded = float(f"{value:.12g}")
    return int(rounded) if rounded.is_integer() else rounded
