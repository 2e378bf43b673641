"""Bounds of a request."""

from __future__ import annotations

import math

from orchestrator.registry.request import Limits, broken_bounds


def test_only_limits_that_are_set_become_constraints() -> None:
    assert Limits().constraints() == ()
    limits = Limits(max_latency_ms=20, max_flops=5e9, max_size_mb=3, min_miou=0.4)
    assert [str(each) for each in limits.constraints()] == [
        "latency_ms <= 20",
        "flops <= 5e+09",
        "size_mb <= 3",
        "miou >= 0.4",
    ]


def test_a_missing_or_nan_figure_breaks_its_bound() -> None:
    bounds = Limits(max_latency_ms=20, min_miou=0.4).constraints()
    assert broken_bounds({"latency_ms": 20.0, "miou": 0.4}, bounds) == []
    assert broken_bounds({"latency_ms": math.nan}, bounds) == [
        "latency_ms is missing for latency_ms <= 20",
        "miou is missing for miou >= 0.4",
    ]
    assert broken_bounds({"latency_ms": 21.0, "miou": 0.4}, bounds) == [
        "latency_ms = 21 breaks latency_ms <= 20"
    ]
