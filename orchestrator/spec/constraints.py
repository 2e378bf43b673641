"""Constraints: bounds on metrics."""

from __future__ import annotations

import math
import operator
import re
from dataclasses import dataclass
from typing import Literal

from orchestrator.spec.metrics import METRICS, unknown_metric
from search_spaces.faults import Fault

_OPERATORS = {"<=": operator.le, "<": operator.lt, ">=": operator.ge, ">": operator.gt}


@dataclass(frozen=True, slots=True)
class Constraint:
    """A bound that a metric of a feasible trial satisfies."""

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
                f"{text!r} is not a constraint; write METRIC RELATION NUMBER with one of "
                f"{', '.join(_OPERATORS)}, for example 'latency_ms <= 20'"
            )
        return cls(match[1], match[2], bound)  # type: ignore[arg-type]

    def holds(self, value: float) -> bool:
        """Whether ``value`` satisfies the bound; NaN does not."""
        return bool(_OPERATORS[self.relation](value, self.bound))

    @property
    def text(self) -> str:
        """The form that ``read_constraints`` reads, with every digit of the bound."""
        return f"{self.metric} {self.relation} {self.bound!r}"

    def __str__(self) -> str:
        return f"{self.metric} {self.relation} {self.bound:g}"


def read_constraints(value: object) -> tuple[Constraint, ...] | list[Fault]:
    """Return the constraints in the given order, or every fault of them.

    Args:
        value: A list of texts such as ``latency_ms <= 20``, one such text, or None for none.
    """
    texts = [value] if isinstance(value, str) else value or []
    if not isinstance(texts, list):
        return [Fault("constraints", f"must be a list such as [latency_ms <= 20], got {value!r}")]
    faults = []
    constraints = []
    for number, text in enumerate(texts):
        path = f"constraints.{number}"
        try:
            constraint = Constraint.parse(str(text))
        except ValueError as error:
            faults.append(Fault(path, str(error)))
            continue
        constraints.append(constraint)
        if constraint.metric not in METRICS:
            faults.append(Fault(path, unknown_metric(constraint.metric)))
    return faults or tuple(constraints)
