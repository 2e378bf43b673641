"""Conditions: when a dimension of a search space is active."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from search_spaces.domains import word

if TYPE_CHECKING:
    from collections.abc import Mapping

    from search_spaces.domains import Value


@dataclass(frozen=True, slots=True)
class Equals:
    """True where dimension ``name`` is active and has ``value``."""

    name: str
    value: Value

    def holds(self, config: Mapping[str, object]) -> bool:
        """Whether the condition is true of ``config`` (absent dimension: false)."""
        return self.name in config and config[self.name] == self.value

    @property
    def parents(self) -> frozenset[str]:
        """Names of the dimensions the condition reads."""
        return frozenset({self.name})

    def __str__(self) -> str:
        """Return the condition in words."""
        return f"{self.name} is {word(self.value)}"


@dataclass(frozen=True, slots=True, init=False)
class OneOf:
    """True where dimension ``name`` is active and has one of ``values``."""

    name: str
    values: tuple[Value, ...]

    def __init__(self, name: str, *values: Value) -> None:
        """Keep ``values`` in the order given."""
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "values", tuple(values))

    def holds(self, config: Mapping[str, object]) -> bool:
        """Whether the condition is true of ``config`` (absent dimension: false)."""
        return self.name in config and config[self.name] in self.values

    @property
    def parents(self) -> frozenset[str]:
        """Names of the dimensions the condition reads."""
        return frozenset({self.name})

    def __str__(self) -> str:
        """Return the condition in words."""
        return f"{self.name} is {' or '.join(map(word, self.values))}"


@dataclass(frozen=True, slots=True)
class Above:
    """True where dimension ``name`` is active and its number is above ``bound``."""

    name: str
    bound: float

    def holds(self, config: Mapping[str, object]) -> bool:
        """Whether the condition is true of ``config`` (absent or no number: false)."""
        value = config.get(self.name)
        return isinstance(value, int | float) and value > self.bound

    @property
    def parents(self) -> frozenset[str]:
        """Names of the dimensions the condition reads."""
        return frozenset({self.name})

    def __str__(self) -> str:
        """Return the condition in words."""
        return f"{self.name} is above {self.bound:g}"


@dataclass(frozen=True, slots=True, init=False)
class AllOf:
    """True where every one of ``conditions`` is; always true of none."""

    conditions: tuple[Condition, ...]

    def __init__(self, *conditions: Condition) -> None:
        """Keep ``conditions`` in the order given."""
        object.__setattr__(self, "conditions", tuple(conditions))

    def holds(self, config: Mapping[str, object]) -> bool:
        """Whether the condition is true of ``config``."""
        return not self.conditions or all(each.holds(config) for each in self.conditions)

    @property
    def parents(self) -> frozenset[str]:
        """Names of the dimensions the condition reads."""
        return frozenset().union(*(condition.parents for condition in self.conditions))

    def __str__(self) -> str:
        """Return the condition in words."""
        parts = [str(condition) for condition in self.conditions if condition != ALWAYS]
        return " and ".join(parts) or "always"


@dataclass(frozen=True, slots=True)
class Not:
    """True where ``condition`` is false."""

    condition: Condition

    def holds(self, config: Mapping[str, object]) -> bool:
        """Whether the condition is true of ``config``."""
        return not self.condition.holds(config)

    @property
    def parents(self) -> frozenset[str]:
        """Names of the dimensions the condition reads."""
        return self.condition.parents

    def __str__(self) -> str:
        """Return the condition in words."""
        return f"not ({self.condition})"


Condition: TypeAlias = Equals | OneOf | Above | AllOf | Not
ALWAYS = AllOf()
