"""A search space as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from search_spaces.space import SearchSpace


class SpaceRow(NamedTuple):
    """One dimension of a space as text."""

    name: str
    """The dimension."""
    domain: str
    """Its values, such as ``1e-4 to 1e-2, logarithmic``."""
    condition: str
    """Where it is active: ``always``, or a condition such as ``optimizer is sgd``."""


def describe_space(space: SearchSpace) -> list[SpaceRow]:
    """Return a row per dimension in the space's order, fixed ones included."""
    return [SpaceRow(d.name, str(d.domain), str(d.when)) for d in space]
