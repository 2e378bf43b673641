"""Counts the configurations of a conditional space without enumerating them."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

from search_spaces.domains import Float, LogFloat, values_of

if TYPE_CHECKING:
    from search_spaces.dimension import Dimension
    from search_spaces.domains import Value


def count_configs(dimensions: tuple[Dimension, ...]) -> tuple[float, dict[str, set[bool]]]:
    """Return the number of configurations, and whether each dimension is active in them.

    A dimension's set holds True if it is active in some configuration, False if it is inactive in
    some. Partial configurations that all later conditions read alike are counted together, so the
    cost grows with the dimensions that conditions read, not with the space.
    """
    states: dict[tuple[tuple[str, Value], ...], float] = {(): 1}
    activity: dict[str, set[bool]] = {}
    for index, dimension in enumerate(dimensions):
        needed = frozenset().union(*(later.when.parents for later in dimensions[index + 1 :]))
        branches = _branches(dimension, split=dimension.name in needed)
        following: dict[tuple[tuple[str, Value], ...], float] = defaultdict(int)
        for state, ways in states.items():
            active = dimension.when.holds(dict(state))
            activity.setdefault(dimension.name, set()).add(active)
            for added, count in branches if active else [((), 1)]:
                key = tuple(item for item in (*state, *added) if item[0] in needed)
                following[key] += ways * count
        states = following
    return sum(states.values()), activity


def _branches(
    dimension: Dimension, *, split: bool
) -> list[tuple[tuple[tuple[str, Value], ...], float]]:
    """Return the values of a dimension that later conditions distinguish, with their counts."""
    domain = dimension.domain
    if not split:
        return [((), int(domain.size) if math.isfinite(domain.size) else math.inf)]
    if isinstance(domain, Float | LogFloat) and domain.low < domain.high:
        ends = (domain.low, domain.high)
        return [(((dimension.name, end),), math.inf) for end in ends]
    return [(((dimension.name, value),), 1) for value in values_of(domain)]
