from __future__ import annotations

import pytest

from orchestrator.search.gate import CostGate
from orchestrator.spec.constraints import Constraint


@pytest.mark.parametrize(
    ("text", "value", "holds"),
    [
        ("latency_ms <= 20", 20.0, True),
        ("latency_ms < 20", 20.0, False),
        ("flops<=5e9", 4e9, True),
        ("miou >= 0.3", 0.2, False),
        ("miou > 0.3", float("nan"), False),
    ],
)
def test_a_constraint_is_parsed_from_text(text: str, value: float, holds: bool) -> None:  # noqa: FBT001
    assert Constraint.parse(text).holds(value) is holds


@pytest.mark.parametrize("text", ["", "latency", "latency_ms = 3", "latency_ms <= x", "a <= nan"])
def test_an_invalid_constraint_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="latency_ms <= 20"):
        Constraint.parse(text)


def test_only_known_metrics_are_judged() -> None:
    limits = [Constraint.parse("flops <= 10"), Constraint.parse("latency_ms <= 5")]
    gate = CostGate(limits, lambda _: {})
    assert gate.judge({}) is None
    assert gate.judge({"flops": 10.0}) is None
    assert gate.judge({"flops": 11.0}) == "flops = 11 breaks flops <= 10"
    both = gate.judge({"flops": 11.0, "latency_ms": 6.0})
    assert both is not None
    assert "latency_ms" in both
    assert "flops" in both


def test_a_disturbed_latency_breaks_no_constraint() -> None:
    gate = CostGate(
        [Constraint.parse("latency_ms <= 5"), Constraint.parse("flops <= 1")], lambda _: {}
    )
    assert gate.judge({"latency_ms": 6.0, "latency_undisturbed": 1.0}) is not None
    assert gate.judge({"latency_ms": 6.0, "latency_undisturbed": 0.0}) is None
    assert gate.judge({"latency_ms": 6.0, "latency_undisturbed": 0.0, "flops": 2.0}) is not None
