from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.ledger.events import TrialAsked
from orchestrator.search.schedulers.rungs import WINDOW, Rung, rung_epochs
from orchestrator.search.schedulers.trial_metrics import TrialMetrics
from orchestrator.spec.objectives import Objective


@pytest.mark.parametrize(
    ("grace", "factor", "epochs", "rungs"),
    [(1, 3, 30, (1, 3, 9, 27)), (2, 2, 8, (2, 4)), (5, 3, 5, ()), (1, 1.2, 4, (1, 2, 3))],
)
def test_rungs(grace: int, factor: float, epochs: int, rungs: tuple[int, ...]) -> None:
    actual = rung_epochs(grace_period=grace, reduction_factor=factor, max_epochs=epochs)
    assert actual == rungs


@given(st.integers(1, 9), st.floats(1.1, 9), st.integers(1, 300))
def test_rungs_rise_from_the_grace_period_and_stay_below_the_end(
    grace: int, factor: float, epochs: int
) -> None:
    rungs = rung_epochs(grace_period=grace, reduction_factor=factor, max_epochs=epochs)
    assert list(rungs) == sorted(set(rungs))
    assert all(grace <= rung < epochs for rung in rungs)
    assert bool(rungs) == (grace < epochs)


@pytest.mark.parametrize(("grace", "factor", "epochs"), [(0, 3, 5), (1, 1, 5), (1, 3, 0)])
def test_impossible_settings_are_refused(grace: int, factor: float, epochs: int) -> None:
    with pytest.raises(ValueError, match=r"at least 1 epoch|above 1"):
        rung_epochs(grace_period=grace, reduction_factor=factor, max_epochs=epochs)


class ByValue:
    """Ranks the largest value first."""

    def order(self, values: object, **_: object) -> np.ndarray:
        return np.argsort(-np.array(values)[:, 0])


def test_a_rung_compares_the_latest_trials() -> None:
    metrics = TrialMetrics((Objective("miou", "maximize"),))
    rung = Rung(3, ByValue(), metrics)  # type: ignore[arg-type]
    for number in range(WINDOW + 2):
        known = {"miou": float(number)}
        metrics.observe(TrialAsked(trial_id=f"t{number}", number=number, config={}, known=known))
        rung.add(f"t{number}")
    assert (len(rung), rung.arrivals) == (WINDOW, WINDOW + 2)
    assert "t1" not in rung
    assert rung.rank("t2") == WINDOW
    decision = rung.decision("pause", f"t{WINDOW + 1}", "why")
    assert (decision.rung, decision.rank, decision.of) == (3, 1, WINDOW)
    assert decision.reason == f"paused at rung 3: rank 1 of {WINDOW}, why"
