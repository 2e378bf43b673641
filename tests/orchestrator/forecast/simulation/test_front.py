from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.forecast.simulation.front import GrowingFront
from orchestrator.search.pareto import hypervolume
from orchestrator.spec.objectives import Objective

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
