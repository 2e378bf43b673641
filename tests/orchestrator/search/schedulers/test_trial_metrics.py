from __future__ import annotations

import math

import pytest

from orchestrator.ledger.events import EpochReported, TrialAsked, TrialEnded, TrialProfiled
from orchestrator.search.schedulers.trial_metrics import TrialMetrics
from orchestrator.spec.objectives import Objective

OBJECTIVES = (
    Objective("miou", "maximize"),
    Objective("loss", "minimize"),
    Objective("latency_ms", "minimize"),
)
NAN = math.nan


def metrics_after(*epochs: dict[str, float]) -> TrialMetrics:
    metrics = TrialMetrics(OBJECTIVES)
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
