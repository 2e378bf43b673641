"""Domains: the values that one dimension of a search space may take."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np

Value: TypeAlias = str | int | float | bool
"""A JSON scalar, the value of one dimension of a configuration."""


@dataclass(frozen=True, slots=True)
class _Reals:
    low: float
    high: float

    def contains(self, value: object) -> bool:
        """Whether ``value`` is a finite number in the interval."""
        return _is_number(value) and self.low <= float(value) <= self.high  # type: ignore[arg-type]

    @property
    def size(self) -> float:
        """Number of distinct values: inf unless the interval is a point."""
        return math.inf if self.high > self.low else 1.0


@dataclass(frozen=True, slots=True)
class _Integers:
    low: int
    high: int

    def contains(self, value: object) -> bool:
        """Whether ``value`` is an integer (not a bool) in the interval."""
        return _is_integer(value) and self.low <= int(value) <= self.high  # type: ignore[call-overload]

    @property
    def size(self) -> float:
        """Number of distinct values."""
        return float(self.high - self.low + 1)


@dataclass(frozen=True, slots=True)
class Float(_Reals):
    """Real numbers in [low, high], sampled uniformly."""

    def __post_init__(self) -> None:
        _check_interval(self.low, self.high)

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}"

    def sample(self, rng: np.random.Generator) -> float:
        """Return one value, uniform in [low, high]."""
        return float(rng.uniform(self.low, self.high))


@dataclass(frozen=True, slots=True)
class LogFloat(_Reals):
    """Positive real numbers in [low, high], sampled uniformly in the logarithm."""

    def __post_init__(self) -> None:
        _check_interval(self.low, self.high, positive=True)

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}, logarithmic"

    def sample(self, rng: np.random.Generator) -> float:
        """Return one value, log-uniform in [low, high]."""
        value = math.exp(rng.uniform(math.log(self.low), math.log(self.high)))
        return float(min(max(value, self.low), self.high))


@dataclass(frozen=True, slots=True)
class Int(_Integers):
    """Integers in [low, high], both included, sampled uniformly."""

    def __post_init__(self) -> None:
        _check_interval(self.low, self.high)

    def __str__(self) -> str:
        return f"whole numbers {self.low} to {self.high}"

    def sample(self, rng: np.random.Generator) -> int:
        """Return one value, uniform over the integers of [low, high]."""
        return int(rng.integers(self.low, self.high, endpoint=True))


@dataclass(frozen=True, slots=True)
class LogInt(_Integers):
    """Positive integers in [low, high], both included, sampled uniformly in the logarithm."""

    def __post_init__(self) -> None:
        _check_interval(self.low, self.high, positive=True)

    def __str__(self) -> str:
        return f"whole numbers {self.low} to {self.high}, logarithmic"

    def sample(self, rng: np.random.Generator) -> int:
        """Return one value, log-uniform over [low - 0.5, high + 0.5] and rounded."""
        value = round(math.exp(rng.uniform(math.log(self.low - 0.5), math.log(self.high + 0.5))))
        return int(min(max(value, self.low), self.high))


@dataclass(frozen=True, slots=True, init=False)
class Categorical:
    """A finite, unordered set of distinct values."""

    choices: tuple[Value, ...]

    def __init__(self, *choices: Value | list[Value] | tuple[Value, ...]) -> None:
        """Take ``choices``, or the items of a single list.

        Raises:
            ValueError: there is no choice, one is repeated, or is not text, number or boolean.
        """
        single = choices[0] if len(choices) == 1 else None
        given = list(single) if isinstance(single, list | tuple) else list(choices)
        if not given:
            raise ValueError("a categorical domain needs at least one choice, none was given")
        wrong = [choice for choice in given if not isinstance(choice, str | int | float)]
        if wrong:
            raise ValueError(
                f"choices of a categorical domain must be text, numbers or booleans, got {wrong}"
            )
        keys = [(type(choice).__name__, choice) for choice in given]
        if len(set(keys)) != len(keys):
            raise ValueError(f"choices of a categorical domain must differ, got {given}")
        object.__setattr__(self, "choices", tuple(given))

    def __str__(self) -> str:
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
    """Return ``value`` as written in a spec."""
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
