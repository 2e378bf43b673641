"""One named dimension of a search space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from search_spaces.conditions import ALWAYS
from search_spaces.domains import Domain

if TYPE_CHECKING:
    from search_spaces.conditions import Condition


@dataclass(frozen=True, slots=True)
class Dimension:
    """One named dimension, active where ``when`` holds for the dimensions before it."""

    name: str
    domain: Domain
    when: Condition = ALWAYS

    def __post_init__(self) -> None:
        if not isinstance(self.domain, Domain):
            raise TypeError(
                f"dimension {self.name!r} needs a Float, LogFloat, Int, LogInt or Categorical, got "
                f"{self.domain!r}"
            )
