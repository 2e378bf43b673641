"""A sweep whose trials pause at rungs, without Ray."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.driver.verification.ledger import invariant_findings
from orchestrator.ledger.events import SweepEvent, TrialAsked, TrialEnded, TrialStarted
from orchestrator.ledger.records import fold
from orchestrator.search.searchers.base import SearchProblem
from orchestrator.spec.objectives import Objective
from orchestrator.spec.sweep_spec import SearchConfig, SweepBudget
from orchestrator.sweep.make import SweepSetup, make_sweep
from search_spaces.domains import Float
from search_spaces.space import Config, SearchSpace

if TYPE_CHECKING:
    from orchestrator.sweep.sweep import Sweep

SPACE = SearchSpace.of(x=Float(0.0, 1.0))
OBJECTIVES = (Objective("miou", "maximize"), Objective("flops", "minimize"))
EPOCHS = 9


@dataclass
class Tape:
    events: list[SweepEvent] = field(default_factory=list)

    def append(self, event: SweepEvent) -> int:
        self.events.append(event)
        return len(self.events)


def flops(config: Config) -> dict[str, float]:
    return {"flops": float(config["x"])}


PROBLEM = SearchProblem(
    space=SPACE, objectives=OBJECTIVES, seed=3, max_epochs=EPOCHS, known_cost=flops
)


def make(tape: Tape, trials: int = 12) -> Sweep:
    ticks = itertools.count(len(tape.events))
    setup = SweepSetup(
        problem=PROBLEM,
        search=SearchConfig(
            searcher="random", scheduler="mo-asha-promote", cost_gate="constraints"
        ),
        budget=SweepBudget(trials=trials, epochs=EPOCHS),
    )
    return make_sweep(setup, journal=tape, clock=lambda: float(next(ticks)))


def train(
    sweep: Sweep, asked: TrialAsked, begun: dict[str, int], left: itertools.count[int]
) -> bool:
    """Go on with a trial until it is done, let go or the time is over; return False for that."""
    x = float(asked.config["x"])
    for epoch in range(begun.get(asked.trial_id, 0) + 1, EPOCHS + 1):
        if next(left) <= 0:
            return False
        begun[asked.trial_id] = epoch
        action = sweep.epoch(asked.trial_id, epoch, {"miou": x * epoch / EPOCHS}).action
        if action != "continue":
            sweep.ended(asked.trial_id, "stopped", "asked to stop", {})
            return True
    sweep.ended(asked.trial_id, "complete", "", {"miou": x, "flops": x})
    return True


def run(sweep: Sweep, begun: dict[str, int], steps: int = 10**6) -> None:
    left = itertools.count(steps, -1)
    while (found := sweep.next_trial()) is not None:
        if not train(sweep, found[0], begun, left):
            sweep.interrupt("the time is over")
            return
    sweep.settle()


def test_paused_trials_are_taken_up_again_or_stopped_in_the_end() -> None:
    tape = Tape()
    sweep = make(tape)
    run(sweep, {})
    ends = {e.trial_id: e for e in tape.events if isinstance(e, TrialEnded)}
    assert len(ends) == 12
    assert not sweep.open_trials
    assert {e.state for e in ends.values()} == {"complete", "stopped"}
    again = [e for e in tape.events if isinstance(e, TrialStarted) and e.attempt > 1]
    assert again
    paused = [e.reason for e in ends.values() if e.state == "stopped"]
    assert all(r.startswith("paused at rung") and r.endswith("; not promoted") for r in paused)
    assert sum(not trial.busy_seconds > 0 for trial in fold(tape.events).trials) == 0


def test_a_trial_whose_lane_has_not_let_go_is_not_started_twice() -> None:
    tape = Tape()
    sweep = make(tape, trials=3)
    trials = []
    for number in range(3):
        found = sweep.next_trial()
        assert found is not None
        trials.append(found[0])
        decision = sweep.epoch(found[0].trial_id, 1, {"miou": 0.5 + 0.1 * number})
        assert decision.action == ("pause" if number < 2 else "continue")
    assert sweep.epoch(trials[0].trial_id, 2, {"miou": 0.9}).action == "pause"
    assert len({e.trial_id for e in tape.events if isinstance(e, TrialStarted)}) == 3
    sweep.ended(trials[2].trial_id, "complete", "", {"miou": 0.7, "flops": 0.1})
    sweep.settle()
    assert not sweep.open_trials


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(1, 40), max_size=3))
def test_a_sweep_cut_anywhere_tells_one_story_and_ends_the_same(cuts: list[int]) -> None:
    whole, tape = Tape(), Tape()
    run(make(whole), {})
    begun: dict[str, int] = {}
    for steps in [*cuts, 10**6]:
        sweep = make(tape)
        sweep.replay(list(tape.events))
        run(sweep, begun, steps)
    assert invariant_findings(tape.events, epochs=EPOCHS) == []

    def outcome(events: list[SweepEvent]) -> list[tuple[str, str, int]]:
        return [(t.trial_id, t.state, t.epochs_done) for t in fold(events).trials]

    assert outcome(tape.events) == outcome(whole.events)
    assert np.isclose(sum(t.epochs_done for t in fold(tape.events).trials), sum(begun.values()))
