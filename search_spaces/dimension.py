"""One named dimension of a search space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from search_spaces.conditions import ALWAYS

if TYPE_CHECKING:
    from search_spaces.conditions import Condition
    from search_spaces.domains import Domain


@dataclass(frozen=True, slots=True)
class Dimension:
    """One named dimension, active where ``when`` holds of the dimensions before it."""

    name: str
    domain: Domain
    when: Condition = ALWAYS
