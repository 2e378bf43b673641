from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.search.schedulers.ranking import Ranking
from orchestrator.spec.objectives import Objective

OBJECTIVES = (
    Objective("miou", "maximize"),
    Objective("flops", "minimize"),
    Objective("latency_ms", "minimize"),
)
ROWS = [[0.1 + 0.02 * i, 1.0 + i, 5.0 + i] for i in range(8)]
"""More expensive trials are better."""


def order(rows: list[list[float]], reference: dict[str, float] | None = None) -> list[int]:
    ranking = Ranking(OBJECTIVES, max_epochs=27, reference_point=reference)
    return [int(i) for i in ranking.order(rows, epochs=3, curve_objectives={"miou"})]


def test_the_most_expensive_trial_ranks_first_if_it_is_the_best() -> None:
    assert order(ROWS)[0] == 7


@given(st.permutations(ROWS))
def test_the_best_trial_ranks_first_in_any_order(rows: list[list[float]]) -> None:
    assert rows[order(rows)[0]] == ROWS[7]


def test_trials_beyond_the_reference_point_rank_last() -> None:
    assert set(order(ROWS, {"miou": 0.0, "flops": 7.0, "latency_ms": 11.0})[-2:]) == {6, 7}


def test_the_most_expensive_trial_adds_a_little_hypervolume() -> None:
    one = Objective("miou", "maximize"), Objective("flops", "minimize")
    rows = [[0.30, 5.0], [0.29, 9.0], [0.1, 1.0], [0.02, 8.9]]
    ranking = Ranking(one, max_epochs=27)
    ranked = ranking.order(rows, epochs=3, curve_objectives={"miou"}).tolist()
    assert ranked[0] == 0
    assert ranked.index(1) < ranked.index(3)


@pytest.mark.parametrize("cost", [0.0, 7.0])
def test_equal_costs_rank_by_the_curve_objective(cost: float) -> None:
    rows = [[0.2, cost, cost], [0.4, cost, cost], [0.3, cost, cost]]
    assert order(rows)[0] == 1
