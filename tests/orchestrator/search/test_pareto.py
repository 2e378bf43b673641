from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.search.pareto import (
    GrowingFront,
    crowding_distance,
    default_reference_point,
    hypervolume,
    knee_point,
    non_dominated_ranks,
    pareto_front,
    share_of_perfect,
    with_point,
)
from orchestrator.spec.objectives import Objective

MIN2 = (Objective("a", "minimize"), Objective("b", "minimize"))
MIXED = (Objective("miou", "maximize"), Objective("flops", "minimize"))
MIN3 = (*MIN2, Objective("c", "minimize"))

coordinate = st.integers(0, 6).map(float) | st.sampled_from([math.nan, math.inf, -math.inf])
points2 = st.lists(st.tuples(coordinate, coordinate), max_size=14)
points3 = st.lists(st.tuples(*[st.integers(0, 4)] * 3), max_size=8)


def dominates(p: tuple[float, ...], q: tuple[float, ...]) -> bool:
    """The definition for minimised values; a point that is not finite dominates nothing."""
    return (
        all(map(math.isfinite, p))
        and all(x <= y for x, y in zip(p, q, strict=True))
        and any(x < y for x, y in zip(p, q, strict=True))
    )


@given(points2)
def test_the_front_agrees_with_the_definition(points: list[tuple[float, float]]) -> None:
    expected = [
        i
        for i, p in enumerate(points)
        if all(math.isfinite(x) for x in p) and not any(dominates(q, p) for q in points)
    ]
    assert pareto_front(points, MIN2).tolist() == expected


@given(points2)
def test_maximised_values_are_negated(points: list[tuple[float, float]]) -> None:
    mirrored = [(-a, b) for a, b in points]
    assert pareto_front(mirrored, MIXED).tolist() == pareto_front(points, MIN2).tolist()


@given(points2)
def test_ranks_are_successive_fronts(points: list[tuple[float, float]]) -> None:
    ranks = non_dominated_ranks(points, MIN2)
    remaining = [i for i, p in enumerate(points) if all(math.isfinite(x) for x in p)]
    rank = 0
    while remaining:
        front = [remaining[j] for j in pareto_front([points[i] for i in remaining], MIN2)]
        assert {int(ranks[i]) for i in front} == {rank}
        remaining = [i for i in remaining if i not in front]
        rank += 1
    assert all(
        ranks[i] == rank for i, p in enumerate(points) if not all(math.isfinite(x) for x in p)
    )


@given(points3)
def test_hypervolume_counts_the_dominated_cells(points: list[tuple[int, int, int]]) -> None:
    cells = sum(
        any(all(x <= c for x, c in zip(p, cell, strict=True)) for p in points)
        for cell in itertools.product(range(5), repeat=3)
    )
    volume = hypervolume(points, MIN3, {"a": 5, "b": 5, "c": 5})
    assert volume == pytest.approx(cells)


@given(points2, st.tuples(coordinate, coordinate))
def test_a_further_point_never_reduces_the_hypervolume(
    points: list[tuple[float, float]], extra: tuple[float, float]
) -> None:
    reference = {"a": 5.0, "b": 5.0}
    assert hypervolume([*points, extra], MIN2, reference) >= hypervolume(points, MIN2, reference)


def test_hypervolume_of_a_staircase() -> None:
    points = [(0.5, 1.0), (0.8, 3.0), (math.nan, 0.0), (0.9, 11.0)]
    volume = hypervolume(points, MIXED, {"miou": 0.0, "flops": 10.0})
    assert volume == pytest.approx(0.5 * 9 + 0.3 * 7)


def test_a_reference_point_without_an_objective_is_refused() -> None:
    with pytest.raises(KeyError, match="flops"):
        hypervolume([(0.5, 1.0)], MIXED, {"miou": 0.0})


def test_points_of_another_width_are_refused() -> None:
    with pytest.raises(ValueError, match="miou, flops"):
        pareto_front([(1.0, 2.0, 3.0)], MIXED)


def test_no_points_have_no_front() -> None:
    assert pareto_front([], MIXED).size == 0
    assert knee_point([], MIXED) is None
    assert hypervolume([], MIXED, {"miou": 0, "flops": 1}) == 0


def test_crowding_distance_is_larger_for_isolated_points() -> None:
    front = [(0.0, 10.0), (1.0, 9.0), (2.0, 8.0), (9.0, 1.0), (10.0, 0.0)]
    distance = crowding_distance(front, MIN2)
    assert np.isinf(distance[[0, 4]]).all()
    assert distance[1] == pytest.approx(0.2 + 0.2)
    assert distance[3] == distance[2] > distance[1]


def test_the_knee_point_has_the_least_scaled_sum() -> None:
    assert knee_point([(0.0, 1.0), (0.1, 0.2), (1.0, 0.0), (0.5, 0.5)], MIN2) == 1


def test_the_default_reference_point_is_worse_than_everything() -> None:
    reference = default_reference_point([(0.2, 100.0), (0.7, 300.0), (math.nan, 900.0)], MIXED)
    assert reference == {"miou": 0.0, "flops": pytest.approx(900 + 80)}
    assert default_reference_point([], MIXED) == {"miou": 0.0, "flops": 1.0}
    assert default_reference_point([(-3.0, 2.0)], MIXED)["miou"] < -3


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=14))
def test_a_front_grown_point_by_point_equals_the_front(points: list[tuple[int, int]]) -> None:
    front = np.empty((0, 2))
    for point in points:
        grown = with_point(front, np.array(point, dtype=float))
        front = front if grown is None else grown
    expected = {points[i] for i in pareto_front(points, MIN2)}
    assert {tuple(row) for row in front.tolist()} == expected
    assert len(front) == len(expected)


def test_a_point_with_nan_adds_nothing_to_a_front() -> None:
    assert with_point(np.empty((0, 2)), np.array([0.0, math.nan])) is None


@pytest.mark.parametrize(
    ("reference", "share"),
    [({"miou": 0.0, "flops": 10.0}, 0.25), ({"miou": 0.5}, 5.0), ({"miou": 1.0}, 0.0)],
)
def test_a_share_is_relative_to_a_perfect_trial(reference: dict[str, float], share: float) -> None:
    assert share_of_perfect(2.5, MIXED, reference) == pytest.approx(share)


OBJECTIVES = (Objective("miou", "maximize"), Objective("flops", "minimize"))
REFERENCE = {"miou": 0.0, "flops": 6.0}
value = st.integers(0, 7).map(float) | st.just(math.nan)


@settings(max_examples=40)
@given(st.lists(st.tuples(value, value), max_size=12))
def test_it_knows_the_hypervolume_after_every_point(points: list[tuple[float, float]]) -> None:
    front = GrowingFront(OBJECTIVES, REFERENCE)
    for count, point in enumerate(points, start=1):
        before = front.hypervolume
        grew = front.add(point)
        assert front.hypervolume == pytest.approx(
            hypervolume(points[:count], OBJECTIVES, REFERENCE)
        )
        assert grew == (front.hypervolume > before)
