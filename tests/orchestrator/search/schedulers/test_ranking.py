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
"""The more a trial costs, the better it is."""


def order(rows: list[list[float]], reference: dict[str, float] | None = None) -> list[int]:
    ranking = Ranking(OBJECTIVES, max_epochs=27, reference_point=reference)
    return [int(i) for i in ranking.order(rows, epochs=3, curve_objectives={"miou"})]


def test_the_dearest_trial_comes_first_where_it_is_the_best() -> None:
    assert order(ROWS)[0] == 7


@given(st.permutations(ROWS))
def test_so_it_does_in_whatever_order_they_came(rows: list[list[float]]) -> None:
    assert rows[order(rows)[0]] == ROWS[7]


def test_beyond_a_reference_point_nothing_counts_however_good() -> None:
    assert set(order(ROWS, {"miou": 0.0, "flops": 7.0, "latency_ms": 11.0})[-2:]) == {6, 7}


def test_a_dearest_trial_that_is_not_the_best_adds_a_little_all_the_same() -> None:
    one = Objective("miou", "maximize"), Objective("flops", "minimize")
    rows = [[0.30, 5.0], [0.29, 9.0], [0.1, 1.0], [0.02, 8.9]]
    ranking = Ranking(one, max_epochs=27)
    found = ranking.order(rows, epochs=3, curve_objectives={"miou"}).tolist()
    assert found[0] == 0
    assert found.index(1) < found.index(3)


@pytest.mark.parametrize("cost", [0.0, 7.0])
def test_equal_costs_leave_the_order_to_the_learned_value(cost: float) -> None:
    rows = [[0.2, cost, cost], [0.4, cost, cost], [0.3, cost, cost]]
    assert order(rows)[0] == 1
