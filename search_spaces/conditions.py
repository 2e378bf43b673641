"""Conditions: when a dimension of a search space is active."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from search_spaces.domains import word

if TYPE_CHECKING:
    from collections.abc import Mapping

    from search_spaces.domains import Value


@dataclass(frozen=True, slots=True)
class _OnDimension:
    """A condition on one dimension, false where that is inactive."""

    name: str

    @property
    def parents(self) -> frozenset[str]:
        """Names of the dimensions the condition reads."""
        return frozenset({self.name})


@dataclass(frozen=True, slots=True)
class Equals(_OnDimension):
    """True where dimension ``name`` is active and has ``value``."""

    value: Value

    def holds(self, config: Mapping[str, object]) -> bool:
        """Whether the condition holds for ``config``."""
        return self.name in config and config[self.name] == self.value

    def __str__(self) -> str:
        return f"{self.name} is {word(self.value)}"


@dataclass(frozen=True, slots=True, init=False)
class OneOf(_OnDimension):
    """True where dimension ``name`` is active and has one of ``values``."""

    values: tuple[Value, ...]

    def __init__(self, name: str, *values: Value) -> None:
        """Keep ``values`` in the order given."""
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "values", tuple(values))

    def holds(self, config: Mapping[str, object]) -> bool:
        """Whether the condition holds for ``config``."""
        return self.name in config and config[self.name] in self.values

    def __str__(self) -> str:
        return f"{self.name} is {' or '.join(map(word, self.values))}"


@dataclass(frozen=True, slots=True)
class Above(_OnDimension):
    """True where dimension ``name`` is active and its number is above ``bound``."""

    bound: float

    def holds(self, config: Mapping[str, object]) -> bool:
        """Whether the condition holds for ``config``; false for a value that is not a number."""
        value = config.get(self.name)
        return isinstance(value, int | float) and value > self.bound

    def __str__(self) -> str:
        return f"{self.name} is above {self.bound:g}"


@dataclass(frozen=True, slots=True, init=False)
class AllOf:
    """True where all of ``conditions`` are; without conditions, always."""

    conditions: tuple[Condition, ...]

    def __init__(self, *conditions: Condition) -> None:
        """Keep ``conditions`` in the order given."""
        object.__setattr__(self, "conditions", tuple(conditions))

    def holds(self, config: Mapping[str, object]) -> bool:
        """Whether the condition holds for ``config``."""
        # Most conditions are ALWAYS, and candidates are sampled by the hundred: skip the generator.
        return not self.conditions or all(c.holds(config) for c in self.conditions)

    @property
    def parents(self) -> frozenset[str]:
        """Names of the dimensions the condition reads."""
        return frozenset().union(*(condition.parents for condition in self.conditions))

    def __str__(self) -> str:
        parts = [str(condition) for condition in self.conditions if condition != ALWAYS]
        return " and ".join(parts) or "always"


@dataclass(frozen=True, slots=True)
class Not:
    """True where ``condition`` is false."""

    condition: Condition

    def holds(self, config: Mapping[str, object]) -> bool:
        """Whether the condition holds for ``config``."""
        return not self.condition.holds(config)

    @property
    def parents(self) -> frozenset[str]:
        """Names of the dimensions the condition reads."""
        return self.condition.parents

    def __str__(self) -> str:
        return f"not ({self.condition})"


Condition: TypeAlias = Equals | OneOf | Above | AllOf | Not
ALWAYS = AllOf()
