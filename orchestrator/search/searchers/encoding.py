"""Encodes configurations as vectors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from search_spaces.domains import Categorical, Int, LogFloat, LogInt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from numpy.typing import NDArray

    from search_spaces.domains import Domain, Value
    from search_spaces.space import Config, Dimension, SearchSpace

SCALE_SAMPLES = 48
"""Random configurations from which the range of a known metric is estimated."""
ONE_HOT = math.sqrt(0.5)
"""Value of a category's column, so that two different categories are at distance 1."""


class Encoder:
    """Encodes numbers as [0, 1] on their scale and categories one-hot.

    An inactive number is encoded as 0.5; the dimensions that its condition reads encode that it is
    inactive. Known metrics are the last columns: networks of equal size are similar in a way that
    their dimensions do not show.

    Args:
        space: the search space.
        known_cost: metrics that need no training; None for no such columns.
        names: metrics that become columns; those that ``known_cost`` lacks are left out.
    """

    def __init__(
        self,
        space: SearchSpace,
        known_cost: Callable[[Config], Mapping[str, float]] | None = None,
        names: Iterable[str] = (),
    ) -> None:
        self._known_cost = known_cost
        self._columns: list[_Columns] = []
        start = 0
        for dimension in space:
            self._columns.append(_Columns.of(dimension, start))
            start += column_count(dimension.domain)
        self._scales = {} if known_cost is None else _scales(space, known_cost, names)
        self._costs = slice(start, start + len(self._scales))
        self.width = self._costs.stop
        """Number of columns d."""
        widths = [column_count(dimension.domain) for dimension in space] + [1] * len(self._scales)
        self.groups = np.repeat(np.arange(len(widths)), widths)
        """For each of d columns the index of its dimension; known metrics follow the dimensions."""

    def encode(
        self, config: Mapping[str, Value], known: Mapping[str, float] | None = None
    ) -> NDArray[np.float64]:
        """Return the d values of ``config``; ``known``, if given, spares a call of the cost."""
        vector = np.zeros(self.width)
        if self._known_cost is not None and self._scales:
            if known is None or not self._scales.keys() <= known.keys():
                known = self._known_cost(dict(config))
            vector[self._costs] = [scale(known[name]) for name, scale in self._scales.items()]
        for columns in self._columns:
            value = config.get(columns.name)
            if columns.by_category is None:
                vector[columns.start] = to_unit(columns.domain, value)
            elif value is not None:
                vector[columns.of_category(value)] = ONE_HOT
        return vector


@dataclass(frozen=True, slots=True)
class _Columns:
    """The columns of a dimension."""

    name: str
    domain: Domain
    start: int
    """The first column."""
    by_category: Mapping[tuple[type, Value], int] | None
    """Column by type and value, as 1 is not True; None for numbers."""

    @classmethod
    def of(cls, dimension: Dimension, start: int) -> _Columns:
        domain, by_category = dimension.domain, None
        if isinstance(domain, Categorical):
            by_category = {(type(c), c): start + i for i, c in enumerate(domain.choices)}
        return cls(dimension.name, domain, start, by_category)

    def of_category(self, value: Value) -> int:
        column = None if self.by_category is None else self.by_category.get((type(value), value))
        if column is None:
            raise ValueError(f"{value!r} is not one of {self.domain}")
        return column


@dataclass(frozen=True, slots=True)
class CostScale:
    """Maps the usual range of a metric to [0, 1], logarithmically if it is always positive."""

    low: float
    high: float
    logarithmic: bool

    def __call__(self, value: float) -> float:
        """Return the scaled value, cut to [-0.5, 1.5]."""
        if self.logarithmic:
            value = math.log(max(value, math.exp(self.low) / 10))
        return min(max((value - self.low) / (self.high - self.low), -0.5), 1.5)


def _scales(
    space: SearchSpace,
    known_cost: Callable[[Config], Mapping[str, float]],
    names: Iterable[str],
) -> dict[str, CostScale]:
    """Return the scale of each metric that is finite and varies among random configurations."""
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


def column_count(domain: Domain) -> int:
    """Return the number of columns of a domain."""
    return len(domain.choices) if isinstance(domain, Categorical) else 1


def to_unit(domain: Domain, value: Value | None) -> float:
    """Return a number's position in its range, [0, 1]; 0.5 for None."""
    if value is None or isinstance(domain, Categorical) or domain.low == domain.high:
        return 0.5
    low, high, number = float(domain.low), float(domain.high), float(value)
    if isinstance(domain, LogFloat | LogInt):
        low, high, number = math.log(low), math.log(high), math.log(number)
    return (number - low) / (high - low)


def from_unit(domain: Domain, unit: float) -> Value:
    """Return the number at position ``unit``, cut to [0, 1]; rounded for integers.

    Raises:
        TypeError: the domain is categorical.
    """
    if isinstance(domain, Categorical):
        raise TypeError(f"a categorical domain has no order, got {domain}")
    unit = min(max(unit, 0.0), 1.0)
    low, high = float(domain.low), float(domain.high)
    if isinstance(domain, LogFloat | LogInt):
        number = math.exp(math.log(low) + unit * (math.log(high) - math.log(low)))
    else:
        number = low + unit * (high - low)
    number = min(max(number, low), high)
    return round(number) if isinstance(domain, Int | LogInt) else number
