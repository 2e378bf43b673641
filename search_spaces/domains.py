"""Domains: the set of values one dimension of a search space may take."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np

Value: TypeAlias = str | int | float | bool
"""A JSON scalar: what one dimension of a configuration holds."""


@dataclass(frozen=True, slots=True)
class _Reals:
    low: float
    high: float

    def contains(self, value: object) -> bool:
        """Whether ``value`` is a finite number of the interval."""
        return _is_number(value) and self.low <= float(value) <= self.high  # type: ignore[arg-type]

    @property
    def size(self) -> float:
        """Number of distinct values: infinite unless the interval is a point."""
        return math.inf if self.high > self.low else 1.0


@dataclass(frozen=True, slots=True)
class _Integers:
    low: int
    high: int

    def contains(self, value: object) -> bool:
        """Whether ``value`` is an integer (no bool) of the interval."""
        return _is_integer(value) and self.low <= int(value) <= self.high  # type: ignore[call-overload]

    @property
    def size(self) -> float:
        """Number of distinct values."""
        return float(self.high - self.low + 1)


@dataclass(frozen=True, slots=True)
class Float(_Reals):
    """Real numbers in [low, high], sampled uniformly."""

    def __post_init__(self) -> None:
        """Refuse an empty or unbounded interval."""
        _check_interval(self.low, self.high)

    def __str__(self) -> str:
        """Return the domain in words."""
        return f"{self.low:g} to {self.high:g}"

    def sample(self, rng: np.random.Generator) -> float:
        """Return one value, uniform in [low, high]."""
        return float(rng.uniform(self.low, self.high))


@dataclass(frozen=True, slots=True)
class LogFloat(_Reals):
    """Positive real numbers in [low, high], sampled uniformly in the logarithm."""

    def __post_init__(self) -> None:
        """Refuse an empty, unbounded or non-positive interval."""
        _check_interval(self.low, self.high, positive=True)

    def __str__(self) -> str:
        """Return the domain in words."""
        return f"{self.low:g} to {self.high:g}, logarithmic"

    def sample(self, rng: np.random.Generator) -> float:
        """Return one value, log-uniform in [low, high]."""
        value = math.exp(rng.uniform(math.log(self.low), math.log(self.high)))
        return float(min(max(value, self.low), self.high))


@dataclass(frozen=True, slots=True)
class Int(_Integers):
    """Integers in [low, high], both included, sampled uniformly."""

    def __post_init__(self) -> None:
        """Refuse an empty interval."""
        _check_interval(self.low, self.high)

    def __str__(self) -> str:
        """Return the domain in words."""
        return f"whole numbers {self.low} to {self.high}"

    def sample(self, rng: np.random.Generator) -> int:
        """Return one value, uniform over the integers of [low, high]."""
        return int(rng.integers(self.low, self.high, endpoint=True))


@dataclass(frozen=True, slots=True)
class LogInt(_Integers):
    """Positive integers in [low, high], both included, sampled uniformly in the logarithm."""

    def __post_init__(self) -> None:
        """Refuse an empty or non-positive interval."""
        _check_interval(self.low, self.high, positive=True)

    def __str__(self) -> str:
        """Return the domain in words."""
        return f"whole numbers {self.low} to {self.high}, logarithmic"

    def sample(self, rng: np.random.Generator) -> int:
        """Return one value, log-uniform over [low - 0.5, high + 0.5] and rounded."""
        value = round(math.exp(rng.uniform(math.log(self.low - 0.5), math.log(self.high + 0.5))))
        return int(min(max(value, self.low), self.high))


@dataclass(frozen=True, slots=True, init=False)
class Categorical:
    """A finite set of values in no order that matters; repeated values are refused."""

    choices: tuple[Value, ...]

    def __init__(self, *choices: Value | list[Value] | tuple[Value, ...]) -> None:
        """Keep ``choices``, or those of the one list given, in their order.

        Raises:
            ValueError: there is none, one is there twice, or is no text, number or boolean.
        """
        alone = choices[0] if len(choices) == 1 else None
        given = list(alone) if isinstance(alone, list | tuple) else list(choices)
        if not given:
            raise ValueError("a categorical domain needs at least one choice, none was given")
        strange = [choice for choice in given if not isinstance(choice, str | int | float)]
        if strange:
            raise ValueError(
                f"choices of a categorical domain must be text, numbers or booleans, got {strange}"
            )
        keys = [(type(choice).__name__, choice) for choice in given]
        if len(set(keys)) != len(keys):
            raise ValueError(f"choices of a categorical domain must differ, got {given}")
        object.__setattr__(self, "choices", tuple(given))

    def __str__(self) -> str:
        """Return the domain in words."""
        return ", ".join(map(word, self.choices))

    def sample(self, rng: np.random.Generator) -> Value:
        """Return one of the choices, each equally likely."""
        return self.choices[int(rng.integers(len(self.choices)))]

    def contains(self, value: object) -> bool:
        """Whether ``value`` is one of the choices, of the same type (1 is not True)."""
        return any(type(value) is type(choice) and value == choice for choice in self.choices)

    @property
    def size(self) -> float:
        """Number of distinct values."""
        return float(len(self.choices))


Domain: TypeAlias = Float | LogFloat | Int | LogInt | Categorical


def values_of(domain: Domain) -> tuple[Value, ...]:
    """Return all values of a finite domain in order.

    Raises:
        ValueError: the domain is an interval of real numbers.
    """
    if isinstance(domain, Categorical):
        return domain.choices
    if isinstance(domain, Int | LogInt):
        return tuple(range(domain.low, domain.high + 1))
    if domain.low == domain.high:
        return (domain.low,)
    raise ValueError(f"{domain} are infinitely many values; give a list to enumerate them")


def word(value: Value) -> str:
    """Return ``value`` as it is written in a spec."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _check_interval(low: float, high: float, *, positive: bool = False) -> None:
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError(f"bounds must be finite numbers, got low={low}, high={high}")
    if not low <= high:
        raise ValueError(f"low must not be above high, got low={low}, high={high}")
    if positive and not low > 0:
        raise ValueError(f"a logarithmic domain needs low > 0, got low={low}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
