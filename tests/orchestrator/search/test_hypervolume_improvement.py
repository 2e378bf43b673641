from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.search.hypervolume_improvement import CostCells, quasi_random_points
from orchestrator.search.pareto import hypervolume
from orchestrator.spec.objectives import Objective

OBJECTIVES = (Objective("y", "minimize"), Objective("k", "minimize"))


def cells_of_unit_box(dimensions: int = 1) -> CostCells:
    return CostCells(np.zeros(dimensions), np.ones(dimensions))


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=8))
@settings(max_examples=50)
def test_the_cells_sum_up_to_the_hypervolume(points: list[tuple[float, float]]) -> None:
    y, k = np.array(points).T
    best = cells_of_unit_box().best(y, k[:, None], 1.0)
    exact = hypervolume(points, OBJECTIVES, {"y": 1.0, "k": 1.0})
    assert (1.0 - best).mean() == pytest.approx(exact, abs=0.5 * len(points) / len(best) + 1e-9)


@pytest.mark.parametrize("dimensions", [1, 2])
def test_a_certain_point_improves_by_the_hypervolume_it_adds(dimensions: int) -> None:
    cells = cells_of_unit_box(dimensions)
    rng = np.random.default_rng(dimensions)
    y, costs = rng.random(5), rng.random((5, dimensions))
    best = cells.best(y, costs, 1.0)
    new_y, new_costs = np.array([0.3]), np.full((1, dimensions), 0.4)
    after = cells.best(np.append(y, new_y), np.vstack([costs, new_costs]), 1.0)
    improvement = cells.expected_improvement(new_y, np.array([1e-9]), new_costs, best)
    assert improvement[0] == pytest.approx((best - after).mean(), abs=1e-8)


def test_the_expected_improvement_is_the_mean_over_samples() -> None:
    cells = cells_of_unit_box()
    best = cells.best(np.array([0.5]), np.array([[0.2]]), 1.0)
    mean, std, cost = np.array([0.55]), np.array([0.2]), np.array([[0.1]])
    draws = 0.55 + 0.2 * np.random.default_rng(0).standard_normal(40_000)
    sampled = cells.expected_improvement(
        draws, np.full(len(draws), 1e-9), np.repeat(cost, len(draws), 0), best
    )
    expected = cells.expected_improvement(mean, std, cost, best)[0]
    assert expected == pytest.approx(sampled.mean(), rel=0.03)


def test_best_of_others_excludes_the_point_itself() -> None:
    cells = cells_of_unit_box()
    y, costs = np.array([0.2, 0.4, 0.3]), np.array([[0.0], [0.0], [0.5]])
    others = cells.best_of_others(y, costs, 1.0)
    for i in range(3):
        expected = cells.best(np.delete(y, i), np.delete(costs, i, axis=0), 1.0)
        assert np.array_equal(others[i], expected)
    assert (cells.best_of_others(y[:1], costs[:1], 0.9) == 0.9).all()


def test_without_costs_only_the_best_value_counts() -> None:
    cells = CostCells(np.empty(0), np.empty(0))
    best = cells.best(np.array([0.5, 0.3]), np.empty((2, 0)), 1.0)
    assert best.tolist() == [0.3]
    improvements = cells.expected_improvement(
        np.array([0.2, 0.4]), np.full(2, 1e-9), np.empty((2, 0)), best
    )
    assert improvements == pytest.approx([0.1, 0.0])


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_the_cells_are_spread_evenly(dimensions: int) -> None:
    points = quasi_random_points(dimensions)
    assert ((points >= 0) & (points < 1)).all()
    for column in points.T:
        counts, _ = np.histogram(column, bins=8, range=(0, 1))
        assert counts.min() >= 0.7 * len(points) / 8
