from __future__ import annotations

from dataclasses import replace
from itertools import count, pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.driver.verification.ledger import invariant_findings
from orchestrator.forecast.simulation.run import simulate_one
from orchestrator.forecast.simulation.synthetic import crossing
from orchestrator.lanes.simulated import (
    DECISIONS,
    HANDOVER,
    NO_TRIAL,
    Occupancy,
    Overheads,
    SimulatedLanes,
    SimulatedTraining,
)
from orchestrator.ledger.events import (
    EpochReported,
    SweepEvent,
    TrialEnded,
    TrialJudged,
    TrialProfiled,
    TrialStarted,
)
from orchestrator.ledger.records import fold
from orchestrator.search.searchers.base import SearchProblem
from orchestrator.search.searchers.registry import make_searcher
from orchestrator.spec.objectives import Constraint, Objective
from orchestrator.spec.sweep_spec import SearchConfig, SweepBudget
from orchestrator.sweep.make import SweepSetup, make_sweep
from search_spaces.domains import Float
from search_spaces.space import Config, SearchSpace

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.ledger.events import TrialAsked
    from orchestrator.sweep.sweep import Sweep


def ticking(seconds: float) -> Callable[[], float]:
    """Return a clock that goes on by so much whenever it is looked at."""
    ticks = count()
    return lambda: seconds * next(ticks)


def test_the_busy_share_is_that_of_the_lanes_time_after_all_are_filled() -> None:
    lanes = Occupancy(2)
    lanes.started(0, waited=0, handover=0)
    lanes.trained(0, 10)
    lanes.started(0, waited=2, handover=0)
    lanes.trained(2, 7)
    lanes.freed()
    lanes.started(7, waited=0, handover=1)
    lanes.trained(8, 10)
    assert lanes.share(10) == pytest.approx((8 + 5 + 2) / (2 * 8))
    assert lanes.bottleneck() == DECISIONS


def test_what_comes_after_the_last_trial_to_start_is_not_counted() -> None:
    lanes = Occupancy(1)
    lanes.started(0, waited=0, handover=0)
    lanes.trained(0, 4)
    lanes.ran_dry(4)
    assert lanes.share(100) == 1
    assert lanes.bottleneck() == NO_TRIAL


def test_lanes_that_were_never_all_filled_have_no_steady_state() -> None:
    lanes = Occupancy(3)
    lanes.started(0, waited=0, handover=0)
    assert lanes.share(10) is None


def test_a_sweep_without_overheads_keeps_its_lanes_busy() -> None:
    found = simulate_one(crossing, searcher="random", workers=4, budget=4)
    assert found.utilization == pytest.approx(1.0)


def test_overheads_do_what_they_cost() -> None:
    slow = Overheads(handover_seconds=0, timer=ticking(5.0))
    decided = simulate_one(crossing, searcher="random", workers=4, budget=4, overheads=slow)
    assert decided.bottleneck == DECISIONS
    handed = simulate_one(
        crossing,
        searcher="random",
        workers=4,
        budget=4,
        overheads=Overheads(handover_seconds=2.0),
    )
    assert handed.bottleneck == HANDOVER
    assert decided.utilization is not None
    assert handed.utilization is not None
    assert 0 < decided.utilization < handed.utilization < 1


@pytest.mark.slow
def test_a_thousand_lanes_are_busy_nineteen_twentieths_of_the_time() -> None:
    found = simulate_one(
        crossing,
        searcher="random",
        scheduler="none",
        workers=1000,
        budget=1800,
        max_trials=1800,
        overheads=Overheads(handover_seconds=0.4, timer=ticking(0.01)),
    )
    assert found.utilization is not None
    assert found.utilization > 0.95
    assert found.started == 1800


OBJECTIVES = (Objective("miou", "maximize"), Objective("flops", "minimize"))


def flops(config: Config) -> dict[str, float]:
    return {"flops": float(config["x"])}


def three_epochs(asked: TrialAsked) -> SimulatedTraining:
    """Return three epochs of ten seconds, as good as they are expensive."""
    quality = float(asked.config["x"])
    return SimulatedTraining(
        epochs=[{"miou": quality * epoch / 3} for epoch in (1, 2, 3)],
        seconds=[10.0] * 3,
        known=flops(asked.config),
    )


def measured(asked: TrialAsked) -> SimulatedTraining:
    return SimulatedTraining(
        epochs=[{"miou": 0.5}],
        seconds=[10.0],
        known=flops(asked.config),
        measured={"latency_ms": 10 * float(asked.config["x"])},
        measurement_seconds=4.0,
    )


def make(
    training_of: Callable[[TrialAsked], SimulatedTraining],
    *,
    limits: tuple[str, ...] = (),
    trials: int = 20,
    patience: int | None = None,
    overheads: Overheads | None = None,
) -> tuple[SimulatedLanes, Sweep, list[SweepEvent]]:
    problem = SearchProblem(
        space=SearchSpace.of(x=Float(0.0, 1.0)), objectives=OBJECTIVES, max_epochs=3
    )
    constraints = [Constraint.parse(limit) for limit in limits]
    setup = SweepSetup(
        problem=replace(problem, constraints=constraints, known_cost=flops),
        search=SearchConfig(searcher="random", scheduler="none", cost_gate="constraints"),
        budget=SweepBudget(trials=trials, epochs=3, stagnation_trials=patience),
    )
    lanes = SimulatedLanes(training_of, lanes=2, overheads=overheads or Overheads())
    journal: list[SweepEvent] = []
    sweep = make_sweep(
        setup,
        journal=journal,
        clock=lanes.clock,
        listeners=[lanes],
        searcher=make_searcher("random", problem),  # without costs, for the gate to reject some
    )
    return lanes, sweep, journal


def ends(journal: list[SweepEvent]) -> list[TrialEnded]:
    return [event for event in journal if isinstance(event, TrialEnded)]


def test_static_costs_that_break_a_constraint_take_no_time_and_no_budget() -> None:
    lanes, sweep, journal = make(three_epochs, limits=("flops <= 0.5",))
    assert lanes.run(sweep) == 300
    assert sum(end.state == "complete" for end in ends(journal)) == 20
    rejected = [end for end in ends(journal) if end.state == "infeasible"]
    assert rejected
    started = {event.trial_id for event in journal if isinstance(event, TrialStarted)}
    assert not started & {end.trial_id for end in rejected}


def test_measured_costs_that_break_a_constraint_take_a_start_and_no_budget() -> None:
    lanes, sweep, journal = make(measured, limits=("latency_ms <= 5",))
    lanes.run(sweep)
    states = [end.state for end in ends(journal)]
    assert states.count("complete") == 20
    assert states.count("infeasible") > 5
    assert sum(isinstance(event, TrialStarted) for event in journal) == len(states)
    for trial in fold(journal).trials:
        assert trial.busy_seconds == pytest.approx(4 if trial.state == "infeasible" else 14)


def test_a_constraint_that_nothing_keeps_ends_the_sweep() -> None:
    lanes, sweep, journal = make(three_epochs, limits=("flops < 0",))
    assert lanes.run(sweep) == 0
    assert {end.state for end in ends(journal)} == {"infeasible"}


def test_a_front_that_no_longer_grows_ends_the_proposals() -> None:
    lanes, sweep, journal = make(three_epochs, trials=500, patience=10)
    lanes.run(sweep)
    assert len(ends(journal)) < 500
    assert {end.state for end in ends(journal)} == {"complete"}


def test_a_sweep_that_is_cut_leaves_its_running_trials_open() -> None:
    lanes, sweep, journal = make(three_epochs)
    assert lanes.run(sweep, until=75) == 75
    assert len(ends(journal)) == 4
    assert len(sweep.open_trials) == len(lanes.running) == 2


def test_every_event_has_the_virtual_time_at_which_it_happened(
    simulated_sweep: Callable[..., Any],
) -> None:
    whole = simulated_sweep(trials=30, scheduler="mo-asha-promote")
    whole.run()
    assert all(a.seconds <= b.seconds for a, b in pairwise(whole.tape))
    for end in ends(whole.tape):
        its = [event for event in whole.tape if event.trial_id == end.trial_id]
        reports = [e for e in its if isinstance(e, EpochReported | TrialProfiled)]
        if end.state == "complete":
            assert end.seconds == reports[-1].seconds > 0
        elif reports:
            assert end.seconds >= reports[-1].seconds > 0


def test_the_hand_over_of_a_lane_delays_the_first_report() -> None:
    lanes, sweep, journal = make(three_epochs, overheads=Overheads(handover_seconds=2.0))
    lanes.run(sweep, until=12)
    assert [e.seconds for e in journal if isinstance(e, EpochReported)] == [12.0, 12.0]


def test_a_lane_that_is_lost_in_an_epoch_trains_that_epoch_again() -> None:
    lanes, sweep, journal = make(three_epochs, trials=2)
    first = lanes.step(sweep)
    assert first == "t00000"
    lanes.step(sweep)
    lanes.step(sweep)  # both have trained an epoch at second 10, the first another at 20
    lanes.lose(sweep, "t00001", "preemption")
    lanes.run(sweep)
    times = {end.trial_id: end.seconds for end in ends(journal)}
    assert times == {"t00000": 30.0, "t00001": 40.0}
    assert invariant_findings(journal, epochs=3) == []


@settings(max_examples=25)
@given(
    losses=st.lists(st.integers(0, 60), max_size=5),
    cut=st.floats(0, 1),
    scheduler=st.sampled_from(["mo-asha", "mo-asha-promote"]),
)
def test_a_sweep_with_lanes_lost_in_an_epoch_resumes_from_its_events(
    simulated_sweep: Callable[..., Any],
    without_interruptions: Callable[[list[SweepEvent]], list[SweepEvent]],
    losses: list[int],
    cut: float,
    scheduler: str,
) -> None:
    whole = simulated_sweep(scheduler=scheduler)
    for report in range(61):
        whole.lanes.step(whole.sweep)
        for _ in range(losses.count(report)):
            if whole.lanes.running:
                trial_id = whole.lanes.running[report % len(whole.lanes.running)]
                whole.lanes.lose(whole.sweep, trial_id, "node")
    at = len(whole.tape)
    whole.run()
    assert invariant_findings(whole.tape, epochs=9) == []
    resumed = simulated_sweep(scheduler=scheduler)
    resumed.tape.extend(whole.tape[: at + round(cut * (len(whole.tape) - at))])
    resumed.start()
    resumed.run()
    assert without_interruptions(resumed.tape) == without_interruptions(whole.tape)


def test_a_paused_trial_frees_its_lane_and_resumes_with_its_next_epoch(
    simulated_sweep: Callable[..., Any],
) -> None:
    whole = simulated_sweep(trials=30, scheduler="mo-asha-promote", workers=1)
    whole.run()
    open_trials: set[str] = set()
    for event in whole.tape:
        if isinstance(event, TrialStarted):
            open_trials.add(event.trial_id)
        elif isinstance(event, TrialEnded) or (
            isinstance(event, TrialJudged) and event.action == "pause"
        ):
            open_trials.discard(event.trial_id)
        assert len(open_trials) <= 1
    assert invariant_findings(whole.tape, epochs=9) == []
