from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.ledger.events import TrialAsked, TrialEnded
from orchestrator.ledger.records import fold
from orchestrator.report.analysis.hypervolume import volume_curve
from orchestrator.search.pareto import hypervolume
from orchestrator.spec.objectives import Objective

AIMS = (Objective("miou", "maximize"), Objective("latency_ms", "minimize"))
REFERENCE = {"miou": 0.0, "latency_ms": 10.0}
FIGURES = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.2, 0.4, 0.6, float("nan")]),
        st.sampled_from([1.0, 4.0, 9.0, 12.0]),
    ),
    max_size=12,
)


@given(FIGURES)
def test_the_curve_is_the_hypervolume_of_everything_so_far(
    figures: list[tuple[float, float]],
) -> None:
    events: list[TrialAsked | TrialEnded] = []
    for number, (miou, latency) in enumerate(figures):
        name = f"t{number}"
        events.append(TrialAsked(trial_id=name, number=number, config={}, seconds=number))
        metrics = {"miou": miou, "latency_ms": latency}
        events.append(
            TrialEnded(trial_id=name, state="complete", reason="", metrics=metrics, seconds=number)
        )
    curve = volume_curve(fold(events), AIMS, REFERENCE)
    sound = [each for each in figures if all(map(math.isfinite, each))]  # others have failed
    wanted = [hypervolume(sound[: count + 1], AIMS, REFERENCE) for count in range(len(sound))]
    assert [point.hypervolume for point in curve] == pytest.approx(wanted)
    assert [point.completed for point in curve] == list(range(1, len(sound) + 1))
