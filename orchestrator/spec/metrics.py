"""Metrics that a sweep may aim at or put a bound on."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.spec.objectives import Direction

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
"""Name of each metric with the direction in which it gets better."""

DIRECTIONS: Mapping[str, Direction] = MappingProxyType(
    {"maximize": "maximize", "max": "maximize", "minimize": "minimize", "min": "minimize"}
)
"""Words for a direction that a spec may use."""
