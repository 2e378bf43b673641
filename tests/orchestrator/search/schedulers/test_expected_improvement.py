from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from orchestrator.ledger.events import (
    EpochReported,
    TrialAsked,
    TrialEnded,
    TrialProfiled,
    TrialStarted,
)
from orchestrator.search.schedulers.expected_improvement import ExpectedImprovementScheduler
from orchestrator.search.schedulers.registry import make_scheduler
from orchestrator.search.searchers.base import SearchProblem
from orchestrator.spec.objectives import Objective
from search_spaces.domains import Categorical, Float
from search_spaces.space import SearchSpace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.search.schedulers.base import Scheduler
    from search_spaces.space import Config

SPACE = SearchSpace.of(kind=Categorical("hare", "tortoise"), size=Float(0, 1))
OBJECTIVES = (Objective("error", "minimize"), Objective("cost", "minimize"))
EPOCHS = 27


def cost(config: Config) -> dict[str, float]:
    return {"cost": float(config["size"])}


PROBLEM = SearchProblem(
    space=SPACE,
    objectives=OBJECTIVES,
    max_epochs=EPOCHS,
    known_cost=cost,
    reference_point={"error": 1.0, "cost": 1.0},
)


def error(config: Config, epoch: int) -> float:
    """Return the error: hares lead until epoch 5 and end at twice the error of tortoises."""
    hare = config["kind"] == "hare"
    end, start = (0.4, 0.5) if hare else (0.2, 0.95)
    return end + (start - end) * math.exp(-math.log(epoch) * (1.0 if hare else 0.8))


def scheduler(name: str) -> Scheduler:
    return bounded_by(PROBLEM.reference_point, name)


def bounded_by(reference: Mapping[str, float], name: str = "expected-improvement") -> Scheduler:
    return make_scheduler(name, replace(PROBLEM, reference_point=reference))


def trained(number: int, config: Config, epochs: int) -> list[SweepEvent]:
    """Return the events of a trial until its last epoch."""
    trial_id, seconds = f"t{number}", 100.0 * number
    events: list[SweepEvent] = [
        TrialAsked(
            trial_id=trial_id, number=number, config=config, known=cost(config), seconds=seconds
        ),
        TrialStarted(trial_id=trial_id, seconds=seconds),
    ]
    return events + [
        EpochReported(
            trial_id=trial_id,
            epoch=epoch,
            metrics={"error": error(config, epoch)},
            seconds=seconds + epoch,
        )
        for epoch in range(1, epochs + 1)
    ]


def history(trials: int) -> list[SweepEvent]:
    """Return trials of both kinds, a quarter of them complete, the others with one epoch."""
    rng = np.random.default_rng(3)
    events: list[SweepEvent] = []
    for number in range(trials):
        kind = "tortoise" if number % 3 == 0 else "hare"
        config: Config = {"kind": kind, "size": float(rng.uniform(0.2, 1.0))}
        epochs = EPOCHS if number % 4 == 0 else 1
        events += trained(number, config, epochs)
        events.append(
            TrialEnded(
                trial_id=f"t{number}",
                state="complete" if epochs == EPOCHS else "stopped",
                seconds=100.0 * number + 50,
            )
        )
    return events


def scheduler_after(name: str, events: list[SweepEvent]) -> Scheduler:
    tested = scheduler(name)
    for event in events:
        tested.observe(event)
    return tested


def test_a_slow_start_continues_where_similar_trials_end_well() -> None:
    events = [*history(40), *trained(40, {"kind": "tortoise", "size": 0.1}, 1)]
    assert scheduler_after("mo-asha", events).decide("t40").action == "stop"
    assert scheduler_after("expected-improvement", events).decide("t40").action == "continue"


def test_a_leader_is_stopped_where_similar_trials_do_not_improve() -> None:
    events = [*history(40), *trained(40, {"kind": "hare", "size": 0.15}, 3)]
    assert scheduler_after("mo-asha", events).decide("t40").action == "continue"
    decision = scheduler_after("expected-improvement", events).decide("t40")
    assert decision.action == "stop"
    assert (decision.rung, decision.rank, decision.of) == (3, 1, 11)
    assert decision.reason.startswith("stopped at rung 3: rank 1 of 11, expected improvement")


@pytest.mark.parametrize("trials", [0, 5, 18])
def test_few_trials_fall_back_to_asha(trials: int) -> None:
    for kind in ("hare", "tortoise"):
        events = [*history(trials), *trained(40, {"kind": kind, "size": 0.5}, 1)]
        assert scheduler_after("expected-improvement", events).decide("t40") == scheduler_after(
            "mo-asha", events
        ).decide("t40")


def test_between_rungs_every_trial_continues() -> None:
    events = [*history(40), *trained(40, {"kind": "hare", "size": 0.99}, 2)]
    assert scheduler_after("expected-improvement", events).decide("t40").rung is None


def test_nan_stops_a_trial_at_any_expected_improvement() -> None:
    *before, last = trained(40, {"kind": "tortoise", "size": 0.1}, 1)
    broken = TrialProfiled(trial_id="t40", metrics={"cost": math.nan}, seconds=4000.0)
    assert (
        scheduler_after("expected-improvement", [*history(40), *before, last]).decide("t40").action
        == "continue"
    )
    tested = scheduler_after("expected-improvement", [*history(40), *before, broken, last])
    assert tested.decide("t40").action == "stop"
    assert "not a number" in tested.decide("t40").reason


def test_large_sweeps_fall_back_to_asha(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.search.schedulers.expected_improvement.MODEL_UNTIL", 30)
    events = [*history(40), *trained(40, {"kind": "hare", "size": 0.99}, 3)]
    assert scheduler_after("expected-improvement", events).decide("t40") == scheduler_after(
        "mo-asha", events
    ).decide("t40")


def test_a_warm_started_model_decides_from_the_first_trials() -> None:
    earlier = [replace(event, trial_id=f"w{event.trial_id}") for event in history(40)]
    warm, cold = (
        make_scheduler("expected-improvement", replace(PROBLEM, trials=12, earlier=events))
        for events in (earlier, ())
    )
    events = [
        *trained(0, {"kind": "hare", "size": 0.9}, 1),
        *trained(1, {"kind": "tortoise", "size": 0.5}, 1),
        *trained(2, {"kind": "hare", "size": 0.15}, 3),
    ]
    for event in events:
        warm.observe(event)
        cold.observe(event)
    assert cold.decide("t2").action == "continue"
    decision = warm.decide("t2")
    assert decision.action == "stop"
    assert (decision.rank, decision.of) == (1, 1)


def test_small_sweeps_fall_back_to_asha_without_a_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    observed: list[object] = []
    monkeypatch.setattr(
        "orchestrator.search.schedulers.expected_improvement.SurrogateState.observe",
        lambda _, event: observed.append(event),
    )
    tested = make_scheduler("expected-improvement", replace(PROBLEM, trials=19))
    asha = scheduler("mo-asha")
    for event in history(19):
        tested.observe(event)
        asha.observe(event)
        if isinstance(event, EpochReported):
            assert tested.decide(event.trial_id) == asha.decide(event.trial_id)
    assert not observed


def test_a_configuration_outside_the_space_falls_back_to_asha() -> None:
    events = [*history(40), *trained(40, {"kind": "snail", "size": 0.5}, 1)]
    assert scheduler_after("expected-improvement", events).decide("t40") == scheduler_after(
        "mo-asha", events
    ).decide("t40")


def test_without_a_rung_there_is_no_model() -> None:
    short = make_scheduler("expected-improvement", replace(PROBLEM, max_epochs=1))
    assert isinstance(scheduler("expected-improvement"), ExpectedImprovementScheduler)
    assert not isinstance(short, ExpectedImprovementScheduler)


def test_tried_candidates_do_not_stop_a_trial() -> None:
    space = SearchSpace.of(kind=Categorical("hare", "tortoise"), size=Categorical(0.25, 0.5))
    problem = SearchProblem(space=space, objectives=OBJECTIVES, max_epochs=EPOCHS, known_cost=cost)
    tested, asha = (
        make_scheduler("expected-improvement", problem),
        make_scheduler("mo-asha", problem),
    )
    configs: list[Config] = [
        {"kind": kind, "size": size} for kind in ("hare", "tortoise") for size in (0.25, 0.5)
    ]
    for number in range(30):
        for event in trained(number, configs[number % 4], 1):
            tested.observe(event)
            asha.observe(event)
        assert tested.decide(f"t{number}") == asha.decide(f"t{number}")


@pytest.mark.parametrize(
    ("reference", "action"), [({"error": 1.0, "cost": 1.0}, "stop"), ({}, "continue")]
)
def test_the_best_at_a_rung_continues_without_a_reference_point(
    reference: Mapping[str, float], action: str
) -> None:
    tested = bounded_by(reference)
    for event in [*history(40), *trained(40, {"kind": "hare", "size": 0.15}, 3)]:
        tested.observe(event)
    decision = tested.decide("t40")
    assert (decision.rank, decision.action) == (1, action)


def test_the_former_name_makes_the_same_scheduler() -> None:
    assert isinstance(scheduler("prospect"), ExpectedImprovementScheduler)
