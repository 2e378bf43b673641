"""Updates of MLflow runs from events."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.ledger.events import (
    EpochReported,
    TrialAsked,
    TrialEnded,
    TrialExamined,
    TrialJudged,
    TrialProfiled,
    TrialStarted,
)
from orchestrator.ledger.records import fold
from orchestrator.spec.objectives import Objective
from orchestrator.spec.sweep_spec import SweepBudget
from orchestrator.tracking.runs.projection import (
    MAX_EPOCH_KEYS,
    MAX_FIGURE_KEYS,
    Point,
    Projector,
    RunUpdate,
    merge,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.tracking.info import SweepInfo
    from search_spaces.domains import Value
    from trainables.session.messages import TrialState


def test_updates_of_a_trial_become_one_with_the_later_values() -> None:
    points = (Point("a", 1.0, 0, 1), Point("a", 2.0, 1, 2))
    merged = merge(
        [
            RunUpdate(trial_id="x", name="x", asked_ms=5, tags={"s": "old"}, points=points[:1]),
            RunUpdate(trial_id="y"),
            RunUpdate(trial_id="x", tags={"s": "new"}, points=points[1:], artifacts=("f", "f")),
        ]
    )
    assert [update.trial_id for update in merged] == ["x", "y"]
    assert merged[0] == RunUpdate(
        trial_id="x", name="x", asked_ms=5, tags={"s": "new"}, points=points, artifacts=("f",)
    )


def test_a_resumed_run_has_no_end() -> None:
    ended = RunUpdate(trial_id="x", status="KILLED", ended_ms=9)
    again = RunUpdate(trial_id="x", status="RUNNING")
    assert (ended.merged(again).status, ended.merged(again).ended_ms) == ("RUNNING", None)
    assert ended.merged(RunUpdate(trial_id="x")).ended_ms == 9


ASKED = TrialAsked(trial_id="a", number=0, config={"arch": "deeplabv3"}, known={"flops": 2e9})


def observe(projector: Projector, events: Iterable[SweepEvent]) -> RunUpdate:
    updates = [update for event in events if (update := projector.observe(event)[0])]
    (update,) = merge(updates)
    return update


def values(points: Iterable[Point]) -> dict[str, list[tuple[int, float]]]:
    found: dict[str, list[tuple[int, float]]] = {}
    for point in points:
        found.setdefault(point.key, []).append((point.step, point.value))
    return found


def test_a_complete_trial_by_hand(info: SweepInfo) -> None:
    update = observe(
        Projector(info),
        [
            ASKED,
            TrialStarted(trial_id="a", seconds=1.0),
            TrialProfiled(trial_id="a", metrics={"latency_ms": 3.0, "flops": 2e9}, seconds=2.0),
            EpochReported(trial_id="a", epoch=1, metrics={"miou": 0.2}, seconds=3.0),
            EpochReported(trial_id="a", epoch=2, metrics={"miou": 0.4}, seconds=4.0),
            TrialEnded(
                trial_id="a",
                state="complete",
                metrics={"miou": 0.39},
                artifacts=("p.png",),
                seconds=5.5,
            ),
        ],
    )
    assert values(update.points) == {
        "flops": [(0, 2e9)],
        "latency_ms": [(0, 3.0)],
        "epoch/miou": [(1, 0.2), (2, 0.4)],
        "miou": [(0, 0.39)],
    }
    assert update.params == {"arch": "deeplabv3"}
    assert (update.status, update.ended_ms) == ("FINISHED", info.started_ms + 5500)
    assert update.tags["trial_state"] == "complete"
    assert update.artifacts == ("p.png",)
    assert update.name == "a deeplabv3"


def test_a_stopped_trial_keeps_the_figures_it_reached(info: SweepInfo) -> None:
    update = observe(
        Projector(info),
        [
            ASKED,
            EpochReported(trial_id="a", epoch=1, metrics={"miou": 0.2}),
            TrialEnded(trial_id="a", state="stopped", reason="last of 3"),
        ],
    )
    assert values(update.points)["miou"] == [(0, 0.2)]
    assert (update.status, update.tags["reason"]) == ("KILLED", "last of 3")


@pytest.mark.parametrize("state", ["failed", "preempted", "infeasible"])
def test_what_a_broken_trial_reached_is_no_objective(info: SweepInfo, state: TrialState) -> None:
    update = observe(
        Projector(info),
        [
            ASKED,
            EpochReported(trial_id="a", epoch=1, metrics={"miou": 0.2}),
            TrialEnded(trial_id="a", state=state, metrics={"miou": 0.2, "flops": 3e9}),
        ],
    )
    assert "miou" not in values(update.points)
    assert values(update.points)["flops"] == [(0, 2e9), (0, 3e9)]


def test_a_test_score_is_a_figure_of_its_trials_run_alone(info: SweepInfo) -> None:
    ended = TrialEnded(trial_id="a", state="complete", metrics={"miou": 0.4}, seconds=5.0)
    found = {"test_miou": 0.3, "test_pixel_accuracy": 0.9}
    projector = Projector(info)
    observe(projector, [ASKED, ended])
    examined = TrialExamined(trial_id="a", kind="test", metrics=found, seconds=6.0)
    update, sweep_points = projector.observe(examined)
    assert update is not None
    assert values(update.points) == {"test_miou": [(0, 0.3)]}
    assert (update.status, update.tags, sweep_points) == (None, {}, ())


def test_micro_batches_reach_mlflow_beside_all_costs(info: SweepInfo) -> None:
    costs = "params macs flops bops artifact_bytes latency_ms latency_iqr_ms latency_p10_ms"
    profiled = [*costs.split(), "latency_p90_ms", "latency_undisturbed"]
    ended = "micro_batches miou pixel_accuracy best_epoch train_seconds peak_memory_mb energy_j"
    events: list[SweepEvent] = [
        ASKED,
        TrialProfiled(trial_id="a", metrics=dict.fromkeys(profiled, 1.0)),
        TrialEnded(trial_id="a", state="complete", metrics=dict.fromkeys(ended.split(), 2.0)),
    ]
    points = observe(Projector(info), events).points
    assert values(points)["micro_batches"] == [(0, 2.0)]


def test_a_judgement_changes_no_run(info: SweepInfo) -> None:
    projector = Projector(info)
    projector.observe(ASKED)
    judged = TrialJudged(trial_id="a", action="continue", rung=1, rank=1, of=1)
    assert projector.observe(judged) == (None, ())


@given(st.lists(st.integers(0, 40), max_size=60), st.integers(0, 30))
def test_no_run_has_more_than_25_metrics(keys: list[int], epoch_keys: int) -> None:
    objectives = (Objective("miou", "maximize"), Objective("m3", "minimize"))
    projector = Projector(_info(objectives))
    events: list[SweepEvent] = [TrialAsked(trial_id="a", number=0, config={})]
    events += [TrialProfiled(trial_id="a", metrics={f"m{key}": 1.0}) for key in keys]
    epoch = {f"e{key}": 1.0 for key in range(epoch_keys)} | {"miou": 0.5}
    events.append(EpochReported(trial_id="a", epoch=1, metrics=epoch))
    final = {f"f{key}": 1.0 for key in range(20)} | {"miou": 0.5, "m3": 1.0}
    events.append(TrialEnded(trial_id="a", state="complete", metrics=final))
    points = observe(projector, events).points
    found = set(values(points))
    assert {"miou", "m3"} <= found
    assert len(found) <= MAX_FIGURE_KEYS + MAX_EPOCH_KEYS
    assert len(found) + 1 <= 25


def test_the_sweeps_own_figures_only_get_better(
    info: SweepInfo, demo_events: Callable[..., list[SweepEvent]]
) -> None:
    projector = Projector(info)
    points = values(p for event in demo_events(30) for p in projector.observe(event)[1])
    best = [value for _, value in points["best_miou"]]
    latency = [value for _, value in points["best_latency_ms"]]
    assert best == sorted(best)
    assert latency == sorted(latency, reverse=True)
    assert [value for _, value in points["completed"]] == list(range(1, len(best) + 1))
    assert [step for step, _ in points["ended"]] == list(range(1, 31))
    busy = sum(record.busy_seconds for record in projector.records.trials)
    assert points["device_hours"][-1][1] == pytest.approx(2 * busy / 3600)


def test_the_time_left_is_a_figure_of_the_sweep(
    info: SweepInfo, demo_events: Callable[..., list[SweepEvent]]
) -> None:
    def hours_left(budget: SweepBudget | None) -> list[tuple[int, float]]:
        projector = Projector(replace(info, budget=budget))
        events = demo_events(30)
        return values(p for e in events for p in projector.observe(e)[1]).get("hours_left", [])

    counted = sum(not trial.gated for trial in fold(demo_events(30)).trials)
    by_trials = hours_left(SweepBudget(trials=counted, epochs=3))
    assert [step for step, _ in by_trials] == list(range(1, 31))
    assert by_trials[-1] == (30, 0.0)
    many = hours_left(SweepBudget(trials=1000, epochs=3))
    bounded = hours_left(SweepBudget(trials=1000, epochs=3, device_hours=1e-4))
    assert bounded[0][1] < many[0][1]
    assert hours_left(None) == []


def test_ranks_are_written_once_and_after_each_change(info: SweepInfo) -> None:
    projector = Projector(info)
    for number, (miou, cost) in enumerate([(0.4, 4.0), (0.5, 3.0)]):
        trial_id, metrics = f"t{number}", {"miou": miou, "latency_ms": cost, "flops": cost}
        projector.observe(TrialAsked(trial_id=trial_id, number=number, config={}))
        projector.observe(TrialEnded(trial_id=trial_id, state="complete", metrics=metrics))
    updates = projector.rank_updates({"t0": 0})
    assert {u.trial_id: u.tags["pareto_rank"] for u in updates} == {"t0": "1", "t1": "0"}
    assert {u.trial_id: u.tags["pareto"] for u in updates} == {"t0": "false", "t1": "true"}
    assert values(updates[0].points) == {"pareto_rank": [(2, 1.0)]}
    assert projector.rank_updates({"t0": 1, "t1": 0}) == []


def _info(objectives: tuple[Objective, ...]) -> SweepInfo:
    from pathlib import Path

    from orchestrator.tracking.info import SweepInfo

    return SweepInfo(sweep_id="s", objectives=objectives, started_ms=0, trials_dir=Path())


def test_figures_of_the_machine_stand_apart_under_their_own_names(
    demo_events: Callable[..., list[SweepEvent]], info: SweepInfo
) -> None:
    projector = Projector(info)
    told = {"system/gpu_power_usage_watts": 301.0, "system/lane_cpu_percentage": 99.0}
    for event in demo_events(1):
        if not isinstance(event, EpochReported):
            projector.observe(event)
            continue
        update, _ = projector.observe(replace(event, metrics={**event.metrics, **told}))
        assert update is not None
        found = {point.key: point.value for point in update.points}
        assert told.items() <= found.items()
        assert {f"epoch/{name}" for name in event.metrics} <= found.keys()
    (record,) = projector.records.trials
    assert not [name for name in record.metrics if name.startswith("system/")]


def test_a_disturbed_latency_is_tagged_until_it_is_measured_again(info: SweepInfo) -> None:
    projector = Projector(info)
    loud = {"latency_ms": 52.7, "latency_undisturbed": 0.0}
    reason: dict[str, Value] = {"disturbance": "other processes used 60%"}
    ended = TrialEnded(trial_id="a", state="complete", metrics={"miou": 0.4, **loud})
    first = observe(
        projector, [ASKED, TrialProfiled(trial_id="a", metrics=loud, details=reason), ended]
    )
    assert first.tags["latency_disturbance"] == "other processes used 60%"
    assert values(first.points)["latency_undisturbed"] == [(0, 0.0)]
    sound = {"latency_ms": 22.6, "latency_undisturbed": 1.0}
    again = TrialExamined(trial_id="a", kind="latency", metrics=sound, details={"disturbance": ""})
    second = observe(projector, [again])
    assert second.tags["latency_disturbance"] == ""
    assert values(second.points) == {
        "latency_ms": [(0, 22.6)],
        "latency_undisturbed": [(0, 1.0)],
    }
    assert second.status is None


def test_a_trial_ruled_out_by_a_final_check_is_not_on_the_front(info: SweepInfo) -> None:
    projector = Projector(info)
    observe(projector, [ASKED, TrialEnded(trial_id="a", state="complete", metrics={"miou": 0.4})])
    event = TrialExamined(
        trial_id="a", kind="latency", metrics={"latency_ms": 50.0}, ruled_out="50 breaks 40"
    )
    update = observe(projector, [event])
    assert (update.status, update.tags["trial_state"]) == ("FAILED", "infeasible")
    assert (update.tags["pareto"], update.tags["reason"]) == ("false", "50 breaks 40")
    assert projector.rank_updates({}) == []
