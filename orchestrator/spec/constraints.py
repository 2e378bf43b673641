"""Constraints: bounds on metrics, as text and as values."""

from __future__ import annotations

import math
import operator
import re
from dataclasses import dataclass
from typing import Literal

_OPERATORS = {"<=": operator.le, "<": operator.lt, ">=": operator.ge, ">": operator.gt}


@dataclass(frozen=True, slots=True)
class Constraint:
    """A bound that a metric of a trial must keep."""

    metric: str
    relation: Literal["<=", "<", ">=", ">"]
    bound: float

    @classmethod
    def parse(cls, text: str) -> Constraint:
        """Read ``"latency_ms <= 20"``.

        Raises:
            ValueError: ``text`` is not METRIC RELATION NUMBER.
        """
        match = re.fullmatch(r"\s*([a-z][a-z0-9_]*)\s*(<=|<|>=|>)\s*(\S+)\s*", text)
        try:
            bound = float(match[3]) if match else math.nan
        except ValueError:
            bound = math.nan
        if match is None or not math.isfinite(bound):
            raise ValueError(
                f"{text!r} is no constraint; write METRIC RELATION NUMBER with one of "
                f"{', '.join(_OPERATORS)}, for example 'latency_ms <= 20'"
            )
        return cls(match[1], match[2], bound)  # type: ignore[arg-type]

    def holds(self, value: float) -> bool:
        """Whether ``value`` keeps the bound; NaN does not."""
        return bool(_OPERATORS[self.relation](value, self.bound))

    def __str__(self) -> str:
        return f"{self.metric} {self.relation} {self.bound:g}"
