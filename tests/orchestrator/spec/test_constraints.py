from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.spec.constraints import Constraint, read_constraints


@given(
    st.sampled_from(["<=", "<", ">=", ">"]),
    st.floats(-1e9, 1e9),
    st.sampled_from(["flops", "miou"]),
)
def test_the_text_of_a_constraint_reads_back_equal(relation: str, bound: float, name: str) -> None:
    constraint = Constraint.parse(f"{name} {relation} {bound!r}")
    assert Constraint.parse(constraint.text) == constraint
    assert constraint.bound == bound


@pytest.mark.parametrize(
    ("text", "value", "feasible"),
    [
        ("latency_ms <= 20", 20.0, True),
        ("latency_ms < 20", 20.0, False),
        ("miou >= 0.5", 0.5, True),
        ("miou > 0.5", 0.5, False),
        ("miou > 0.5", math.nan, False),
        ("latency_ms <= 20", math.nan, False),
    ],
)
def test_a_bound_itself_counts_as_its_relation_says(
    text: str, value: float, *, feasible: bool
) -> None:
    assert Constraint.parse(text).holds(value) is feasible


@pytest.mark.parametrize("text", ["latency_ms", "latency_ms 3", "x <= nan", "x <= inf", "3 <= x"])
def test_other_text_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="for example 'latency_ms <= 20'"):
        Constraint.parse(text)


def test_every_fault_of_the_constraints_has_its_index() -> None:
    faults = read_constraints(["flops <= 1e9", "latency <= 3", "miou"])
    assert isinstance(faults, list)
    assert [fault.path for fault in faults] == ["constraints.1", "constraints.2"]
    assert read_constraints("flops <= 1e9") == (Constraint("flops", "<=", 1e9),)
    assert read_constraints(None) == ()
