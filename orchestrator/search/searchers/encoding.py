"""Configurations as points of a unit cube."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from search_spaces.domains import Categorical, LogFloat, LogInt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from numpy.typing import NDArray

    from search_spaces.domains import Domain, Value
    from search_spaces.space import Config, Dimension, SearchSpace

SCALE_SAMPLES = 48
"""Random configurations from which the range of a known metric is read."""
MISMATCH = math.sqrt(0.5)
"""Height of a category's column, so that two different categories are at distance 1."""


class Encoder:
    """Turns configurations into vectors: numbers to [0, 1] in their scale, categories to columns.

    An inactive dimension stands in the middle of its range; that it is inactive shows in the
    columns of the dimension its condition reads. What is known of a configuration before training
    comes behind, a column each: two networks of one size are alike in a way their dimensions do
    not show.

    Args:
        space: what may be tried.
        known_cost: metrics that need no training; None for no such columns.
        names: the metrics that become columns; those it does not give are left out.
    """

    def __init__(
        self,
        space: SearchSpace,
        known_cost: Callable[[Config], Mapping[str, float]] | None = None,
        names: Iterable[str] = (),
    ) -> None:
        self._known_cost = known_cost
        self._places: list[_Place] = []
        start = 0
        for dimension in space:
            self._places.append(_Place.of(dimension, start))
            start += columns_of(dimension.domain)
        self._scales = {} if known_cost is None else _scales(space, known_cost, names)
        self._costs = slice(start, start + len(self._scales))
        self.width = self._costs.stop
        """Number of columns."""
        widths = [columns_of(dimension.domain) for dimension in space] + [1] * len(self._scales)
        self.groups = np.repeat(np.arange(len(widths)), widths)
        """For each column the index of its dimension, known metrics counted behind them."""

    def encode(
        self, config: Mapping[str, Value], known: Mapping[str, float] | None = None
    ) -> NDArray[np.float64]:
        """Return the vector of ``config``; ``known`` saves working out what is known of it."""
        vector = np.zeros(self.width)
        if self._known_cost is not None and self._scales:
            if known is None or not self._scales.keys() <= known.keys():
                known = self._known_cost(dict(config))
            vector[self._costs] = [scale(known[name]) for name, scale in self._scales.items()]
        for place in self._places:
            value = config.get(place.name)
            if place.columns is None:
                vector[place.start] = to_unit(place.domain, value)
            elif value is not None:
                vector[place.column(value)] = MISMATCH
        return vector


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a dimension stands in a vector."""

    name: str
    domain: Domain
    start: int
    """Its first column."""
    columns: Mapping[tuple[type, Value], int] | None
    """The column of each category by type and value, as 1 is not True; None for numbers."""

    @classmethod
    def of(cls, dimension: Dimension, start: int) -> _Place:
        """Return the place of ``dimension`` whose first column is ``start``."""
        domain, columns = dimension.domain, None
        if isinstance(domain, Categorical):
            columns = {(type(c), c): start + i for i, c in enumerate(domain.choices)}
        return cls(dimension.name, domain, start, columns)

    def column(self, value: Value) -> int:
        """Return the column of a category; ValueError where it is none of the domain."""
        found = None if self.columns is None else self.columns.get((type(value), value))
        if found is None:
            raise ValueError(f"{value!r} is not one of {self.domain}")
        return found


@dataclass(frozen=True, slots=True)
class CostScale:
    """Maps what a metric usually is to [0, 1], by its logarithm where it is always positive."""

    low: float
    high: float
    logarithmic: bool

    def __call__(self, value: float) -> float:
        """Return where ``value`` stands; a little outside [0, 1] where it is unusual."""
        if self.logarithmic:
            value = math.log(max(value, math.exp(self.low) / 10))
        return min(max((value - self.low) / (self.high - self.low), -0.5), 1.5)


def _scales(
    space: SearchSpace,
    known_cost: Callable[[Config], Mapping[str, float]],
    names: Iterable[str],
) -> dict[str, CostScale]:
    """Return the scale of every metric that differs among a few random configurations."""
    rng = np.random.default_rng(0)
    samples = [known_cost(space.sample(rng)) for _ in range(SCALE_SAMPLES)]
    scales: dict[str, CostScale] = {}
    for name in names:
        values = np.array([sample.get(name, math.nan) for sample in samples])
        logarithmic = bool((values > 0).all())
        values = np.log(values) if logarithmic else values
        if np.isfinite(values).all() and values.max() > values.min():
            scales[name] = CostScale(float(values.min()), float(values.max()), logarithmic)
    return scales


def columns_of(domain: Domain) -> int:
    """Return how many columns a domain takes."""
    return len(domain.choices) if isinstance(domain, Categorical) else 1


def to_unit(domain: Domain, value: Value | None) -> float:
    """Return where a number stands in its range, [0, 1]; 0.5 for None."""
    if value is None or isinstance(domain, Categorical) or domain.low == domain.high:
        return 0.5
    low, high, number = float(domain.low), float(domain.high), float(value)
    if isinstance(domain, LogFloat | LogInt):
        low, high, number = math.log(low), math.log(high), math.log(number)
    return (number - low) / (high - low)


def from_unit(domain: Domain, unit: float) -> Value:
    """Return the number at ``unit`` of its range, which is cut to [0, 1]; rounded for integers."""
    if isinstance(domain, Categorical):
        raise TypeError(f"a categorical domain has no order, got {domain}")
    unit = min(max(unit, 0.0), 1.0)
    low, high = float(domain.low), float(domain.high)
    if isinstance(domain, LogFloat | LogInt):
        number = math.exp(math.log(low) + unit * (math.log(high) - math.log(low)))
    else:
        number = low + unit * (high - low)
    number = min(max(number, low), high)
    return round(number) if isinstance(domain.low, int) and _is_integral(domain) else number


def _is_integral(domain: Domain) -> bool:
    return type(domain).__name__ in {"Int", "LogInt"}
