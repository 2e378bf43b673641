"""Objectives and constraints."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.spec.objectives import (
    DEFAULT_OBJECTIVES,
    METRICS,
    Constraint,
    Objective,
    objectives_text,
    read_constraints,
    read_objectives,
)


@given(st.permutations(sorted(METRICS)), st.integers(0, 9))
def test_names_and_their_text_give_the_same_objectives(names: list[str], count: int) -> None:
    chosen = [name for name in names[:count] if name != "miou"] + ["miou"]
    objectives = read_objectives(chosen)
    assert isinstance(objectives, tuple)
    assert [objective.name for objective in objectives] == chosen
    assert all(objective.direction == METRICS[objective.name] for objective in objectives)
    assert read_objectives(objectives_text(objectives)) == objectives


def test_short_directions_are_accepted_and_none_is_the_default() -> None:
    assert read_objectives({"miou": "max", "flops": "min"}) == (
        Objective("miou", "maximize"),
        Objective("flops", "minimize"),
    )
    assert read_objectives(None) == DEFAULT_OBJECTIVES


def test_all_faults_of_the_objectives_are_collected() -> None:
    faults = read_objectives({"flops": "max", "speed": "min", "params": "up"})
    assert isinstance(faults, list)
    assert [fault.path for fault in faults] == [
        "objectives.flops",
        "objectives.speed",
        "objectives.params",
        "objectives",
    ]


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
