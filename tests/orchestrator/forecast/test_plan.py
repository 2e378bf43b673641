from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from orchestrator.forecast.make import make_plan
from orchestrator.forecast.plan import (
    Range,
    Scored,
    adopt_plan,
    from_mapping,
    load_plan,
    save_plan,
    score_line,
    score_plan,
    spec_digest,
    to_mapping,
)
from orchestrator.ledger.events import EpochReported, TrialAsked, TrialEnded, TrialStarted
from orchestrator.ledger.folders import new_sweep
from orchestrator.ledger.history import stored_trainings
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.records import fold
from orchestrator.spec.parse import dump_spec, load_spec, parse_spec, spec_settings

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.forecast.plan import SweepPlan
    from orchestrator.ledger.events import SweepEvent
    from orchestrator.spec.sweep_spec import SweepSpec
    from search_spaces.space import Config

pytestmark = pytest.mark.slow  # it simulates whole sweeps


def costs(config: Config) -> dict[str, float]:
    macs = 2e8 if config["arch"] == "deeplabv3" else 1e9
    return {"params": macs / 100, "macs": macs, "flops": 2 * macs}


@pytest.fixture
def spec(tmp_path: Path) -> SweepSpec:
    return load_spec(
        overrides=[
            "teacher=null",
            "search={searcher: random, scheduler: mo-asha}",
            "budget={trials: 24, epochs: 4}",
            "constraints=[flops <= 1e9]",
            f"storage.root={tmp_path}",
            "space={arch: [deeplabv3, lraspp], learning_rate: {low: 1e-4, high: 1e-2, log: true}}",
        ]
    )


def plan_of(spec: SweepSpec, cpus: float = 2) -> SweepPlan:
    return make_plan(
        spec,
        costs,
        images=(128, 48),
        cpus=cpus,
        gpus=0,
        past=stored_trainings(spec),
        simulated_trials=120,
    )


def history(spec: SweepSpec, root: Path, *, epoch_seconds: float) -> list[SweepEvent]:
    folder = new_sweep(root, "old")
    events: list[SweepEvent] = []
    folder.spec.write_text(dump_spec(spec), encoding="utf-8")
    for number in range(20):
        name, at = f"t{number:05d}", 1000.0 * number
        config: Config = {"arch": "deeplabv3", "learning_rate": 1e-3}
        events += [
            TrialAsked(
                trial_id=name, number=number, config=config, known=costs(config), seconds=at
            ),
            TrialStarted(trial_id=name, seconds=at),
        ]
        for epoch in range(1, 5):
            metrics = {"miou": 0.15 * epoch, "epoch_seconds": epoch_seconds}
            when = at + epoch * epoch_seconds
            events.append(EpochReported(trial_id=name, epoch=epoch, metrics=metrics, seconds=when))
        final = {"miou": 0.6, "latency_ms": 5.0}
        events.append(
            TrialEnded(
                trial_id=name, state="complete", metrics=final, seconds=at + 4 * epoch_seconds + 7
            )
        )
    with Ledger(folder.ledger) as ledger:
        for event in events:
            ledger.append(event)
    return events


def test_baselines_are_counted_and_simulated_though_the_space_does_not_have_them(
    spec: SweepSpec, tmp_path: Path
) -> None:
    settings = spec_settings(spec) | {
        "baselines": {"preset": "renaud", "mine": {"arch": "lraspp"}},
        "constraints": [],
        "storage": {"root": str(tmp_path)},
    }
    plan = plan_of(parse_spec(settings))
    assert plan.baselines == 3
    assert plan.forecast.complete.low >= 3
    assert plan.forecast.trials.high <= plan.budget_trials
    assert from_mapping(to_mapping(plan)) == plan
    without = to_mapping(plan)
    del without["baselines"]  # a plan of an earlier version
    assert from_mapping(without).baselines == 0


def test_a_plan_says_what_the_budget_and_the_machine_allow(spec: SweepSpec) -> None:
    plan = plan_of(spec)
    assert plan.lanes == 2
    assert plan.forecast.trials.high <= 24
    assert plan.forecast.complete.median < plan.forecast.trials.median
    assert plan.forecast.device_hours.low < plan.forecast.device_hours.high
    assert "estimated without one" in plan.basis
    volumes = [volume.median for _, volume in plan.forecast.curve]
    assert volumes == sorted(volumes)
    assert 0 < plan.infeasible_share < 1
    assert {each.verdict for each in plan.samples} == {None, "flops = 2e+09 breaks flops <= 1e+09"}


def test_more_lanes_take_less_time(spec: SweepSpec) -> None:
    few, many = plan_of(spec, cpus=1), plan_of(spec, cpus=8)
    assert many.lanes == 8
    assert many.forecast.seconds.median < few.forecast.seconds.median / 2


def test_the_same_plan_is_made_twice_and_reads_back(spec: SweepSpec) -> None:
    plan = plan_of(spec)
    assert plan_of(spec) == plan
    assert from_mapping(json.loads(json.dumps(to_mapping(plan)))) == plan


def test_earlier_sweeps_on_the_same_data_narrow_the_forecast(
    spec: SweepSpec, tmp_path: Path
) -> None:
    before = plan_of(spec)
    history(spec, tmp_path, epoch_seconds=50.0)
    after = plan_of(spec)
    assert "20 trainings of 1 earlier sweep(s)" in after.basis

    def width(plan: SweepPlan) -> float:
        return plan.forecast.device_hours.high / plan.forecast.device_hours.low

    assert width(after) < width(before)
    per_epoch = after.forecast.device_hours.median * 3600 / after.forecast.epochs.median
    assert per_epoch == pytest.approx(50.0, rel=0.25)


def test_sweeps_on_other_data_say_nothing(spec: SweepSpec, tmp_path: Path) -> None:
    history(spec, tmp_path, epoch_seconds=50.0)
    other = replace(spec, data=replace(spec.data, synthetic_train_images=7))
    assert len(stored_trainings(spec)) == 20
    assert stored_trainings(other) == ()


def test_a_sweep_adopts_the_plan_of_its_own_spec_alone(spec: SweepSpec, tmp_path: Path) -> None:
    plan = plan_of(spec)
    save_plan(plan, tmp_path)
    folder = tmp_path / "sweep"
    folder.mkdir()
    assert not adopt_plan(replace(spec, constraints=()), tmp_path, folder)
    assert load_plan(folder) is None
    assert adopt_plan(replace(spec, name="another"), tmp_path, folder)
    assert load_plan(folder) == plan
    assert spec_digest(replace(spec, name="another")) == spec_digest(spec)


def test_a_figure_is_within_its_range_or_not() -> None:
    planned = Range(low=1.0, median=2.0, high=3.0)
    assert Scored(name="epochs", planned=planned, actual=3.0).within
    assert not Scored(name="epochs", planned=planned, actual=3.1).within


def test_a_plan_is_scored_by_what_happened(spec: SweepSpec, tmp_path: Path) -> None:
    events = history(spec, tmp_path, epoch_seconds=50.0)
    plan = plan_of(spec)
    scores = {s.name: s for s in score_plan(plan, fold(events), spec.objectives)}
    assert scores["device_hours"].actual == pytest.approx(20 * 207 / 3600)
    assert scores["epochs"].actual == 80
    assert scores["complete"].actual == 20
    assert not scores["seconds"].within
    best = plan.reference_point
    assert scores["hypervolume"].actual == pytest.approx(
        0.6 * (best["latency_ms"] - 5.0) * (best["flops"] - 4e8)
    )
    assert "device-hours 1.15 (planned" in score_line(tuple(scores.values()))
