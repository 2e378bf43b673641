"""Objectives: metrics with the direction in which they get better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.spec.metrics import DIRECTIONS, METRICS, unknown_metric
from search_spaces.faults import Fault

if TYPE_CHECKING:
    from orchestrator.spec.metrics import Direction


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
