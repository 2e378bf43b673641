"""Configurations as points of a unit cube."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from search_spaces.domains import Categorical, LogFloat, LogInt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from search_spaces.domains import Domain, Value
    from search_spaces.space import SearchSpace

MISMATCH = math.sqrt(0.5)
"""Height of a category's column, so that two different categories are at distance 1."""


class Encoder:
    """Turns configurations into vectors: numbers to [0, 1] in their scale, categories to columns.

    An inactive dimension stands in the middle of its range; that it is inactive shows in the
    columns of the dimension its condition reads.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._slices: list[slice] = []
        start = 0
        for dimension in space:
            width = columns_of(dimension.domain)
            self._slices.append(slice(start, start + width))
            start += width
        self.width = start
        """Number of columns."""
        self.groups = np.concatenate(
            [np.full(s.stop - s.start, i, dtype=np.intp) for i, s in enumerate(self._slices)]
        )
        """For each column the index of its dimension."""

    def encode(self, config: Mapping[str, Value]) -> NDArray[np.float64]:
        """Return the vector of ``config``."""
        vector = np.zeros(self.width)
        for dimension, where in zip(self._space, self._slices, strict=True):
            if isinstance(dimension.domain, Categorical):
                if dimension.name in config:
                    value = config[dimension.name]
                    vector[where.start + _index(dimension.domain, value)] = MISMATCH
            else:
                vector[where] = to_unit(dimension.domain, config.get(dimension.name))
        return vector


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


def _index(domain: Categorical, value: Value) -> int:
    for index, choice in enumerate(domain.choices):
        if type(choice) is type(value) and choice == value:
            return index
    raise ValueError(f"{value!r} is not one of {list(domain.choices)}")
