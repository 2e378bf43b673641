"""The joint search space: dimensions, some of which exist only under a condition."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from search_spaces.conditions import ALWAYS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np

    from search_spaces.conditions import Condition
    from search_spaces.domains import Domain, Value

Config: TypeAlias = "dict[str, Value]"
"""One point of a space: the active dimensions and their values, in the space's order."""


@dataclass(frozen=True, slots=True)
class Dimension:
    """One named dimension, active where ``when`` holds of the dimensions before it."""

    name: str
    domain: Domain
    when: Condition = ALWAYS


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
    def of(cls, **domains: Domain) -> SearchSpace:
        """Build an unconditional space from ``name=domain`` pairs, in their order."""
        return cls(tuple(Dimension(name, domain) for name, domain in domains.items()))

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

    def sample(self, rng: np.random.Generator) -> Config:
        """Return one configuration: every active dimension drawn from its domain, in order."""
        config: Config = {}
        for dimension in self.dimensions:
            if dimension.when.holds(config):
                config[dimension.name] = dimension.domain.sample(rng)
        return config

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

    @property
    def size(self) -> float:
        """Upper bound on the number of configurations: every dimension taken as active."""
        return math.prod(dimension.domain.size for dimension in self.dimensions)


def config_digest(config: Mapping[str, Value]) -> str:
    """Return 16 hex digits that are equal for equal configurations, whatever their key order.

    Floats are compared at 12 significant digits, and an integral float equals its integer, so that
    a round trip through text does not make a new configuration.
    """
    canonical = {name: _canonical(value) for name, value in config.items()}
    text = json.dumps(canonical, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _canonical(value: Value) -> Value:
    if isinstance(value, float):
        rounded = float(f"{value:.12g}")
        return int(rounded) if rounded.is_integer() else rounded
    return value
