from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.forecast.make import forecast
from orchestrator.forecast.plan import Range
from orchestrator.forecast.training_model import TrainingSetting, fit_training_model
from orchestrator.spec.parse import load_spec
from orchestrator.sweep.sweep import MAX_REJECTED_IN_A_ROW

if TYPE_CHECKING:
    from orchestrator.forecast.plan import Forecast
    from search_spaces.space import Config


SETTING = TrainingSetting(epochs=4, train_images=128, val_images=48, devices=1, on_gpu=False)
TRIALS = 20


def costs(config: Config) -> dict[str, float]:
    macs = 1e10 if config["arch"] == "deeplabv3" else 1e7
    return {"params": macs / 100, "macs": macs, "flops": 2 * macs}


def forecast_with(constraint: str | None, simulations: int = 4) -> Forecast:
    spec = load_spec(
        overrides=[
            "teacher=null",
            "search={searcher: random, scheduler: none, cost_gate: constraints}",
            f"budget={{trials: {TRIALS}, epochs: 4}}",
            f"constraints=[{constraint or ''}]",
            "space={arch: [deeplabv3, lraspp], learning_rate: {low: 1e-4, high: 1e-2, log: true}}",
        ]
    )
    point = {"miou": 0.0, "latency_ms": 1e4, "flops": 4e10}
    return forecast(
        spec,
        fit_training_model(spec.space, costs, SETTING),
        spec.objectives,
        point,
        lanes=2,
        simulations=simulations,
    )


def test_a_latency_constraint_starts_trials_that_do_not_count() -> None:
    free, limited = forecast_with(None), forecast_with("latency_ms <= 45")
    whole = Range(low=TRIALS, median=TRIALS, high=TRIALS)
    assert free.trials == free.complete == limited.complete == whole
    assert limited.trials.median > TRIALS
    assert limited.epochs == free.epochs


def test_a_constraint_on_a_static_cost_starts_no_trial_that_breaks_it() -> None:
    limited = forecast_with("flops <= 1e9")
    assert limited.trials.high == limited.complete.high == TRIALS


def test_a_latency_that_nothing_reaches_ends_the_sweep() -> None:
    never = forecast_with("latency_ms < 0", simulations=1)
    assert never.complete.high == never.epochs.high == 0
    assert never.trials.high == MAX_REJECTED_IN_A_ROW + 1  # the other lane had started one more
