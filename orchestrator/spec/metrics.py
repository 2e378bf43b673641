"""Metrics that a sweep may optimize or constrain."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias

from search_spaces.faults import unknown_name

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
