"""Objectives with their directions, constraints with their bounds, read from text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.spec.constraints import Constraint
from orchestrator.spec.metrics import DIRECTIONS, METRICS
from orchestrator.spec.objectives import Objective
from orchestrator.spec.sweep_spec import DEFAULT_OBJECTIVES
from search_spaces.faults import Fault, unknown_name

if TYPE_CHECKING:
    from collections.abc import Mapping


def read_objectives(value: object) -> tuple[Objective, ...] | list[Fault]:
    """Return the objectives in their order, or what is wrong with them.

    Args:
        value: A mapping ``{miou: maximize, flops: minimize}``, a list of names (each in its only
            sensible direction), or None for the default ones.
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
    found = [fault for item in value.items() for fault in _objective_faults(*item)]
    if "miou" not in value:
        found.append(Fault("objectives", "must contain miou, by which trials are told apart"))
    if found:
        return found
    return tuple(Objective(name, DIRECTIONS[word]) for name, word in value.items())


def read_constraints(value: object) -> tuple[Constraint, ...] | list[Fault]:
    """Return the constraints in their order, or what is wrong with them.

    Args:
        value: A list of texts such as ``latency_ms <= 20``, one such text, or None for none.
    """
    texts = [value] if isinstance(value, str) else value or []
    if not isinstance(texts, list):
        return [Fault("constraints", f"must be a list such as [latency_ms <= 20], got {value!r}")]
    found: list[Fault] = []
    constraints = []
    for number, text in enumerate(texts):
        path = f"constraints.{number}"
        try:
            constraint = Constraint.parse(str(text))
        except ValueError as error:
            found.append(Fault(path, str(error)))
            continue
        constraints.append(constraint)
        if constraint.metric not in METRICS:
            found.append(Fault(path, _unknown_metric(constraint.metric)))
    return found or tuple(constraints)


def objectives_text(objectives: tuple[Objective, ...]) -> Mapping[str, str]:
    """Return the form that ``read_objectives`` reads."""
    return {objective.name: objective.direction for objective in objectives}


def constraint_text(constraint: Constraint) -> str:
    """Return the form that ``read_constraints`` reads, with every digit of the bound."""
    return f"{constraint.metric} {constraint.relation} {constraint.bound!r}"


def _objective_faults(name: object, word: object) -> list[Fault]:
    path = f"objectives.{name}"
    if not isinstance(name, str) or name not in METRICS:
        return [Fault(path, _unknown_metric(name))]
    if not isinstance(word, str) or word not in DIRECTIONS:
        return [Fault(path, f"must be maximize or minimize, got {word!r}")]
    if DIRECTIONS[word] != METRICS[name]:
        return [Fault(path, f"gets better when it is {METRICS[name]}d, got {word}")]
    return []


def _unknown_metric(name: object) -> str:
    return unknown_name(name, METRICS, kind="metric")
