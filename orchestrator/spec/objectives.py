"""Metrics with their directions, objectives and constraints."""

from __future__ import annotations

import math
import operator
import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias

from search_spaces.faults import Fault, unknown_name

if TYPE_CHECKING:
    from collections.abc import Mapping

Direction: TypeAlias = Literal["minimize", "maximize"]

METRICS: Mapping[str, Direction] = MappingProxyType(
    {
        "miou": "maximize",
        "pixel_accuracy": "maximize",
        "latency_ms": "minimize",
        "flops": "minimize",
        "macs": "minimize",
        "bops": "minimize",
        "params": "minimize",
        "peak_memory_mb": "minimize",
        "size_mb": "minimize",
        "energy_j": "minimize",
    }
)
"""Direction in which each metric gets better."""

DIRECTIONS: Mapping[str, Direction] = MappingProxyType(
    {"maximize": "maximize", "max": "maximize", "minimize": "minimize", "min": "minimize"}
)
"""Directions by the words that a spec may use."""


def unknown_metric(name: object) -> str:
    """Return the message for a name that is not in ``METRICS``."""
    return unknown_name(name, METRICS, kind="metric")


@dataclass(frozen=True, slots=True)
class Objective:
    """A metric and the direction in which it gets better."""

    name: str
    direction: Direction


DEFAULT_OBJECTIVES = (
    Objective("miou", "maximize"),
    Objective("latency_ms", "minimize"),
    Objective("flops", "minimize"),
)


def read_objectives(value: object) -> tuple[Objective, ...] | list[Fault]:
    """Return the objectives in the given order, or every fault of them.

    Args:
        value: A mapping ``{miou: maximize, flops: minimize}``, a list of names (each in the
            direction of ``METRICS``), or None for the default objectives.
    """
    if value is None:
        return DEFAULT_OBJECTIVES
    if isinstance(value, list):
        named = {name: METRICS.get(name) for name in value if isinstance(name, str)}
        if len(named) != len(value):
            return [Fault("objectives", f"must be different names of metrics, got {value!r}")]
        value = named
    if not isinstance(value, dict) or not value:
        return [Fault("objectives", f"must be a mapping such as {{miou: maximize}}, got {value!r}")]
    faults = [fault for item in value.items() for fault in _objective_faults(*item)]
    if "miou" not in value:
        faults.append(Fault("objectives", "must contain miou"))
    if faults:
        return faults
    return tuple(Objective(name, DIRECTIONS[word]) for name, word in value.items())


def objectives_text(objectives: tuple[Objective, ...]) -> dict[str, str]:
    """Return the form that ``read_objectives`` reads."""
    return {objective.name: objective.direction for objective in objectives}


def _objective_faults(name: object, word: object) -> list[Fault]:
    path = f"objectives.{name}"
    if not isinstance(name, str) or name not in METRICS:
        return [Fault(path, unknown_metric(name))]
    if not isinstance(word, str) or word not in DIRECTIONS:
        return [Fault(path, f"must be maximize or minimize, got {word!r}")]
    if DIRECTIONS[word] != METRICS[name]:
        return [Fault(path, f"must be {METRICS[name]}, got {word}")]
    return []


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
