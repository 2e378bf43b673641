from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.spec.metrics import METRICS
from orchestrator.spec.objectives import (
    DEFAULT_OBJECTIVES,
    Objective,
    objectives_text,
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
