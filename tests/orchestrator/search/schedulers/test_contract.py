"""Contract of every scheduler."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from orchestrator.ledger.events import (
    EpochReported,
    SweepEvent,
    TrialAsked,
    TrialEnded,
    TrialStarted,
)
from orchestrator.search.schedulers.base import Decision, Scheduler
from orchestrator.search.schedulers.registry import make_scheduler
from orchestrator.search.searchers.base import SearchProblem
from orchestrator.spec.objectives import Objective
from orchestrator.spec.sweep_spec import scheduler_names
from search_spaces.domains import Float, Int
from search_spaces.space import SearchSpace

if TYPE_CHECKING:
    from search_spaces.space import Config

OBJECTIVES = (Objective("miou", "maximize"), Objective("flops", "minimize"))


SPACE = SearchSpace.of(flops=Int(1, 8), rate=Float(0, 1))


def scheduler_for(name: str) -> Scheduler:
    problem = SearchProblem(
        space=SPACE,
        objectives=OBJECTIVES,
        max_epochs=9,
        known_cost=lambda config: {"flops": float(config["flops"])},
    )
    return make_scheduler(name, problem, grace_period=1, reduction_factor=3)


def run(scheduler: Scheduler, trials: int = 40) -> tuple[list[SweepEvent], list[Decision]]:
    """Train trials one after another until a decision ends them, promoted ones first."""
    rng = np.random.default_rng(5)
    events: list[SweepEvent] = []
    decisions: list[Decision] = []
    epochs: dict[str, int] = {}

    def emit(event: SweepEvent) -> None:
        events.append(event)
        scheduler.observe(event)

    number = 0
    while number < trials:
        trial_id = scheduler.promote()
        if trial_id is None:
            trial_id = f"t{number}"
            config: Config = {"flops": int(rng.integers(1, 9)), "rate": float(rng.random())}
            known = {"flops": float(config["flops"])}
            emit(TrialAsked(trial_id=trial_id, number=number, config=config, known=known))
            number += 1
        emit(TrialStarted(trial_id=trial_id))
        for epoch in range(epochs.get(trial_id, 0) + 1, 10):
            epochs[trial_id] = epoch
            miou = math.nan if number % 11 == 10 else float(rng.random())
            emit(EpochReported(trial_id=trial_id, epoch=epoch, metrics={"miou": miou}))
            decision = scheduler.decide(trial_id)
            decisions.append(decision)
            if decision.action == "stop":
                emit(TrialEnded(trial_id=trial_id, state="stopped"))
            if decision.action != "continue":
                break
        else:
            emit(TrialEnded(trial_id=trial_id, state="complete"))
    return events, decisions


@pytest.mark.parametrize("name", scheduler_names())
class TestEveryScheduler:
    def test_replayed_events_lead_to_the_same_decisions(self, name: str) -> None:
        events, decisions = run(scheduler_for(name))
        replayed = scheduler_for(name)
        replayed_decisions = []
        for event in events:
            replayed.observe(event)
            if isinstance(event, EpochReported):
                replayed_decisions.append(replayed.decide(event.trial_id))
        assert replayed_decisions == decisions

    def test_every_decision_at_a_rung_has_rank_and_reason(self, name: str) -> None:
        for decision in run(scheduler_for(name))[1]:
            if decision.rung is None:
                assert decision == Decision(action="continue")
                continue
            assert decision.rung in {1, 3}
            assert decision.rank is not None
            assert decision.of is not None
            assert 1 <= decision.rank <= decision.of
            assert str(decision.rung) in decision.reason

    def test_decide_changes_no_state(self, name: str) -> None:
        scheduler = scheduler_for(name)
        events, _ = run(scheduler_for(name))
        for event in events[:60]:
            scheduler.observe(event)
            if isinstance(event, EpochReported):
                first = scheduler.decide(event.trial_id), scheduler.promote()
                assert (scheduler.decide(event.trial_id), scheduler.promote()) == first


@pytest.mark.parametrize("name", [n for n in scheduler_names() if n != "none"])
class TestEveryStoppingScheduler:
    def test_a_minority_reaches_full_training(self, name: str) -> None:
        events, _ = run(scheduler_for(name), 60)
        reached = {e.trial_id for e in events if isinstance(e, EpochReported) and e.epoch == 9}
        assert 1 <= len(reached) <= 30

    def test_a_trial_with_nan_is_stopped(self, name: str) -> None:
        scheduler = scheduler_for(name)
        scheduler.observe(TrialAsked(trial_id="t", number=0, config={}, known={"flops": 1.0}))
        scheduler.observe(EpochReported(trial_id="t", epoch=1, metrics={"miou": math.nan}))
        assert scheduler.decide("t").action == "stop"
