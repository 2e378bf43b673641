"""A whole sweep on a virtual clock, without Ray."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from orchestrator.ledger.events import (
    EpochReported,
    SweepEvent,
    TrialEnded,
    TrialExamined,
    TrialProfiled,
    TrialStarted,
)
from orchestrator.ledger.records import fold
from orchestrator.search.schedulers.base import CONTINUE, Decision
from orchestrator.search.searchers.base import SearchProblem
from orchestrator.spec.objectives import Constraint, Objective
from orchestrator.spec.sweep_spec import SearchConfig, SweepBudget
from orchestrator.sweep.make import SweepSetup, make_sweep
from search_spaces.domains import Float
from search_spaces.space import Config, SearchSpace

if TYPE_CHECKING:
    from orchestrator.sweep.sweep import Sweep

SPACE = SearchSpace.of(x=Float(0.0, 1.0))
OBJECTIVES = (Objective("miou", "maximize"), Objective("flops", "minimize"))


@dataclass
class Points:
    """A searcher over random points that counts what it is told."""

    told: list[SweepEvent] = field(default_factory=list)

    def propose(self, number: int) -> Config | None:
        return SPACE.sample(np.random.default_rng([7, number]))

    def observe(self, event: SweepEvent) -> None:
        self.told.append(event)


@dataclass
class StopBelow:
    """Stops a trial whose mIoU after the first epoch is below a half."""

    last: EpochReported | None = None

    def observe(self, event: SweepEvent) -> None:
        if isinstance(event, EpochReported):
            self.last = event

    def decide(self, trial_id: str) -> Decision:
        assert self.last is not None
        assert self.last.trial_id == trial_id
        if self.last.epoch == 1 and self.last.metrics["miou"] < 0.5:
            return Decision(action="stop", rung=1, rank=2, of=2, reason="rank 2 of 2 at epoch 1")
        return CONTINUE

    def promote(self) -> str | None:
        return None


@dataclass
class Tape:
    events: list[SweepEvent] = field(default_factory=list)

    def append(self, event: SweepEvent) -> int:
        self.events.append(event)
        return len(self.events)


def make(tape: Tape, trials: int = 6, limits: tuple[str, ...] = ()) -> tuple[Sweep, Points]:
    points = Points()
    ticks = itertools.count()
    setup = SweepSetup(
        problem=SearchProblem(
            space=SPACE,
            objectives=OBJECTIVES,
            constraints=[Constraint.parse(limit) for limit in limits],
            known_cost=lambda config: {"flops": float(config["x"])},
        ),
        search=SearchConfig(cost_gate="constraints"),
        budget=SweepBudget(trials=trials, epochs=3),
    )
    sweep = make_sweep(
        setup,
        journal=tape,
        clock=lambda: float(next(ticks)),
        searcher=points,
        scheduler=StopBelow(),
    )
    return sweep, points


def train(sweep: Sweep, trial_id: str, config: Config, start: int = 1, end: int = 3) -> None:
    """Do what a lane does, up to epoch ``end``; a trial that reaches 3 is complete."""
    quality = float(config["x"])
    for epoch in range(start, end + 1):
        if sweep.epoch(trial_id, epoch, {"miou": quality}).action == "stop":
            sweep.ended(trial_id, "stopped", "told to", {"miou": quality})
            return
    if end == 3:
        sweep.ended(trial_id, "complete", "", {"miou": quality, "flops": quality})


def run(sweep: Sweep, most: int = 10**6) -> None:
    for _ in range(most):
        found = sweep.next_trial()
        if found is None:
            return
        train(sweep, found[0].trial_id, found[0].config)


def ends(tape: Tape) -> dict[str, str]:
    return {e.trial_id: e.state for e in tape.events if isinstance(e, TrialEnded)}


def test_the_budget_counts_trained_trials_and_every_trial_ends_once() -> None:
    tape = Tape()
    sweep, points = make(tape)
    run(sweep)
    assert len(ends(tape)) == 6
    assert set(ends(tape).values()) == {"complete", "stopped"}
    assert sum(isinstance(e, TrialEnded) for e in tape.events) == 6
    assert points.told == tape.events
    assert not sweep.open_trials
    assert not sweep.proposes


def test_the_gate_settles_what_breaks_a_constraint_without_an_epoch() -> None:
    tape = Tape()
    sweep, _ = make(tape, limits=("flops <= 0.6",))
    run(sweep)
    states = ends(tape)
    infeasible = {trial for trial, state in states.items() if state == "infeasible"}
    assert infeasible
    assert len(states) - len(infeasible) == 6
    trained = {e.trial_id for e in tape.events if isinstance(e, EpochReported | TrialStarted)}
    assert not trained & infeasible


def test_a_constraint_no_configuration_keeps_ends_the_sweep() -> None:
    tape = Tape()
    sweep, _ = make(tape, limits=("flops < 0",))
    run(sweep)
    assert set(ends(tape).values()) == {"infeasible"}
    assert not sweep.proposes


def test_a_measured_cost_can_break_a_constraint_too() -> None:
    tape = Tape()
    sweep, _ = make(tape, trials=1, limits=("latency_ms <= 5",))
    found = sweep.next_trial()
    assert found is not None
    decision = sweep.profiled(found[0].trial_id, {"latency_ms": 9.0}, {})
    assert decision.action == "stop"
    sweep.ended(found[0].trial_id, "stopped", "the lane's own word comes too late", {})
    assert ends(tape) == {found[0].trial_id: "infeasible"}


def test_a_complete_trial_without_a_finite_objective_has_failed() -> None:
    tape = Tape()
    sweep, _ = make(tape, trials=1)
    found = sweep.next_trial()
    assert found is not None
    sweep.ended(found[0].trial_id, "complete", "", {"miou": float("nan"), "flops": 1.0})
    last = tape.events[-1]
    assert isinstance(last, TrialEnded)
    assert last.state == "failed"
    assert "miou" in last.reason


BAD = pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])


@BAD
@pytest.mark.parametrize("name", ["miou", "val_loss", "train_loss"])
def test_an_epoch_that_is_not_finite_fails_its_trial_alone(bad: float, name: str) -> None:
    tape = Tape()
    sweep, points = make(tape)
    found = sweep.next_trial()
    assert found is not None
    failed = found[0].trial_id
    assert sweep.epoch(failed, 1, {"miou": 0.9, "val_loss": 1.0}).action == "continue"
    decision = sweep.epoch(failed, 2, {"miou": 0.9, "val_loss": 1.0, name: bad})
    assert decision.action == "stop"
    sweep.ended(failed, "complete", "", {"miou": 1.0, "flops": 0.0})  # the lane's word is too late
    run(sweep)
    assert len(ends(tape)) == 6
    assert ends(tape)[failed] == "failed"
    (end,) = (e for e in tape.events if isinstance(e, TrialEnded) and e.trial_id == failed)
    assert end.reason == f"{name} is {bad} in epoch 2"
    assert points.told == tape.events
    assert all(math.isfinite(v) for e in tape.events for v in getattr(e, "metrics", {}).values())
    # Resumed, it stays as it is.
    again, _ = make(tape)
    again.replay(list(tape.events))
    assert not again.open_trials
    assert not again.proposes


@BAD
def test_a_measured_objective_that_is_not_finite_fails_its_trial(bad: float) -> None:
    tape = Tape()
    sweep, _ = make(tape, trials=1)
    found = sweep.next_trial()
    assert found is not None
    name = found[0].trial_id
    assert sweep.profiled(name, {"flops": bad, "latency_ms": 3.0}, {}).action == "stop"
    assert ends(tape) == {name: "failed"}
    assert not any(isinstance(event, TrialProfiled) for event in tape.events)


@BAD
@pytest.mark.parametrize("name", ["flops", "val_loss", "mae_50"])
def test_a_complete_trial_with_a_figure_that_is_not_finite_has_failed(
    bad: float, name: str
) -> None:
    tape = Tape()
    sweep, _ = make(tape, trials=1)
    found = sweep.next_trial()
    assert found is not None
    sweep.ended(found[0].trial_id, "complete", "", {"miou": 0.5, "flops": 1.0, name: bad})
    last = tape.events[-1]
    assert isinstance(last, TrialEnded)
    assert (last.state, last.reason) == ("failed", f"{name} is {bad} at the end")
    assert name not in last.metrics


@BAD
def test_machine_figures_that_are_not_finite_are_only_dropped(bad: float) -> None:
    tape = Tape()
    sweep, _ = make(tape, trials=1)
    found = sweep.next_trial()
    assert found is not None
    decision = sweep.epoch(found[0].trial_id, 1, {"miou": 0.9, "system/power_w": bad})
    assert decision.action == "continue"
    last = tape.events[-1]
    assert isinstance(last, EpochReported)
    assert last.metrics == {"miou": 0.9}


def test_a_diverged_trial_that_an_earlier_release_recorded_is_replayed_as_failed() -> None:
    tape = Tape()
    sweep, _ = make(tape, trials=1)
    run(sweep)
    last = tape.events[-1]
    assert isinstance(last, TrialEnded)
    tape.events[-1] = replace(last, metrics={**last.metrics, "val_loss": math.nan})
    again, points = make(tape, trials=1)
    again.replay(tape.events)
    told = points.told[-1]
    assert isinstance(told, TrialEnded)
    assert told.state == "failed"
    assert fold(tape.events).trials[0].state == "failed"


def test_an_epoch_told_twice_is_recorded_once() -> None:
    tape = Tape()
    sweep, _ = make(tape, trials=1)
    found = sweep.next_trial()
    assert found is not None
    for epoch in (1, 2, 1, 2, 3):
        sweep.epoch(found[0].trial_id, epoch, {"miou": 0.9})
    assert [e.epoch for e in tape.events if isinstance(e, EpochReported)] == [1, 2, 3]


def test_a_resumed_sweep_tries_the_same_configurations_and_finishes_what_was_open() -> None:
    whole = Tape()
    run(make(whole)[0])

    tape = Tape()
    sweep, _ = make(tape)
    run(sweep, most=2)
    found = sweep.next_trial()
    assert found is not None
    train(sweep, found[0].trial_id, {"x": 0.9}, end=1)
    sweep.interrupt("asked to stop")
    assert ends(tape)[found[0].trial_id] == "preempted"

    again, _ = make(tape)
    again.replay(list(tape.events))
    first = again.next_trial()
    assert first is not None
    assert first[0].trial_id == found[0].trial_id
    assert first[1] == 2
    train(again, first[0].trial_id, first[0].config)
    run(again)
    assert {e.trial_id: e.config for e in tape.events if hasattr(e, "config")} == {
        e.trial_id: e.config for e in whole.events if hasattr(e, "config")
    }
    assert len(ends(tape)) == 6
    assert "preempted" not in ends(tape).values()


def test_device_hours_end_the_proposals() -> None:
    tape = Tape()
    sweep, _ = make(tape, trials=1000)
    sweep._budget = SweepBudget(trials=1000, epochs=3, device_hours=20 / 3600)
    run(sweep)
    assert 1 < len(ends(tape)) < 20


def test_no_decider_of_a_resumed_sweep_sees_what_was_examined_after_the_search() -> None:
    tape = Tape()
    first, _ = make(tape, trials=3)
    run(first)
    trial = next(event.trial_id for event in tape.events if isinstance(event, TrialEnded))
    examined = TrialExamined(trial_id=trial, kind="test", metrics={"test_miou": 0.9}, seconds=99.0)
    again, points = make(Tape(), trials=4)
    again.replay([*tape.events, examined])
    assert points.told == tape.events
    assert again.proposes
