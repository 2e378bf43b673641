from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.ledger.events import EpochReported, TrialAsked, TrialEnded, TrialProfiled
from orchestrator.search.schedulers.rungs import WINDOW, Ranking, Rung, TrialMetrics, rung_epochs
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


METRIC_OBJECTIVES = (
    Objective("miou", "maximize"),
    Objective("loss", "minimize"),
    Objective("latency_ms", "minimize"),
)
NAN = math.nan


def metrics_after(*epochs: dict[str, float]) -> TrialMetrics:
    metrics = TrialMetrics(METRIC_OBJECTIVES)
    metrics.observe(TrialAsked(trial_id="t", number=0, config={}, known={"latency_ms": 9.0}))
    for epoch, values in enumerate(epochs, start=1):
        metrics.observe(EpochReported(trial_id="t", epoch=epoch, metrics=values))
    return metrics


def test_the_best_value_in_each_direction_is_kept() -> None:
    metrics = metrics_after({"miou": 0.5, "loss": 0.5}, {"miou": 0.4, "loss": 0.6, "other": 1.0})
    assert metrics.values("t") == (0.5, 0.5, 9.0)
    assert metrics.curve_objectives == {"miou", "loss"}


def test_a_measured_cost_replaces_the_known_one() -> None:
    metrics = metrics_after({"miou": 0.5, "loss": 0.5})
    metrics.observe(TrialProfiled(trial_id="t", metrics={"latency_ms": 12.0}))
    assert metrics.values("t")[2] == 12.0


@pytest.mark.parametrize(
    ("reported", "value"), [((NAN, 0.3), 0.3), ((0.3, NAN), 0.3), ((NAN, NAN), NAN)]
)
def test_nan_gives_way_to_any_number(reported: tuple[float, ...], value: float) -> None:
    metrics = metrics_after(*({"miou": miou, "loss": 1.0} for miou in reported))
    assert metrics.values("t")[0] == pytest.approx(value, nan_ok=True)
    assert metrics.has_nan("t") == math.isnan(value)


def test_a_missing_value_is_nan_without_marking_the_trial() -> None:
    metrics = metrics_after({"loss": 1.0})
    assert math.isnan(metrics.values("t")[0])
    assert not metrics.has_nan("t")
    assert all(map(math.isnan, metrics.values("unknown")))


@pytest.mark.parametrize(("state", "dropped"), [("stopped", True), ("preempted", False)])
def test_a_trial_is_dropped_when_it_ends(state: str, *, dropped: bool) -> None:
    metrics = metrics_after({"miou": 0.5})
    metrics.observe(TrialEnded(trial_id="t", state=state))  # type: ignore[arg-type]
    assert math.isnan(metrics.values("t")[0]) == dropped


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
