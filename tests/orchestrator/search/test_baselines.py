"""Baselines are proposed first and never stopped; resumed sweeps equal uninterrupted ones."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.driver.verification.ledger import scheduler_findings, searcher_findings
from orchestrator.ledger.events import (
    EpochReported,
    TrialAsked,
    TrialEnded,
    TrialJudged,
    TrialStarted,
)
from orchestrator.ledger.records import RecordBook
from orchestrator.search.baselines import (
    BaselinesFirst,
)
from orchestrator.search.gate import DominatedBound
from orchestrator.search.searchers.base import SearchProblem
from orchestrator.spec.baselines import Baseline, names_by_digest
from orchestrator.spec.objectives import Constraint, Objective
from orchestrator.spec.sweep_spec import SearchConfig, SweepBudget, scheduler_names, searcher_names
from orchestrator.sweep.budgets import Stagnation
from orchestrator.sweep.make import SweepSetup, make_sweep
from search_spaces.domains import Categorical, Float
from search_spaces.space import SearchSpace, config_digest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.sweep.sweep import Sweep
    from search_spaces.space import Config

SPACE = SearchSpace.of(kind=Categorical("a", "b"), x=Float(0.0, 1.0))
OBJECTIVES = (Objective("miou", "maximize"), Objective("flops", "minimize"))
INSIDE = Baseline(name="inside", config={"kind": "a", "x": 0.9})
OUTSIDE = Baseline(name="outside", config={"kind": "c", "x": 7.0, "more": True})
WORST = Baseline(name="worst", config={"kind": "b", "x": 1.0})
ALL = (INSIDE, OUTSIDE, WORST)
EPOCHS = 4


class Tape(list["SweepEvent"]):
    def append(self, event: SweepEvent) -> int:  # type: ignore[override]
        super().append(event)
        return len(self)


def costs(config: Config) -> dict[str, float]:
    return {"flops": float(config["x"]) + 0.1}


PROBLEM = SearchProblem(
    space=SPACE, objectives=OBJECTIVES, seed=5, max_epochs=EPOCHS, known_cost=costs
)


def setup_of(
    *,
    searcher: str = "random",
    scheduler: str = "mo-asha",
    baselines: Sequence[Baseline] = ALL,
    trials: int = 12,
    limits: Sequence[str] = (),
    patience: int | None = None,
) -> SweepSetup:
    return SweepSetup(
        problem=replace(
            PROBLEM, trials=trials, constraints=[Constraint.parse(limit) for limit in limits]
        ),
        search=SearchConfig(searcher=searcher, scheduler=scheduler, reduction_factor=2),
        budget=SweepBudget(trials=trials, epochs=EPOCHS, stagnation_trials=patience),
        baselines=baselines,
    )


def sweep_of(tape: Tape, **settings: Any) -> Sweep:
    ticks = itertools.count()
    return make_sweep(setup_of(**settings), journal=tape, clock=lambda: float(next(ticks)))


def run(sweep: Sweep, *, lanes: int = 2, most: int | None = None) -> None:
    """Train trials ``lanes`` at a time, one epoch at a time; return after ``most`` epochs."""
    live: dict[str, tuple[Config, int]] = {}
    done: dict[str, int] = {}
    steps = itertools.count()
    while True:
        while len(live) < lanes:
            new = sweep.next_trial()
            if new is None:
                break
            live[new[0].trial_id] = (new[0].config, done.get(new[0].trial_id, 0))
        if not live:
            sweep.settle()
            return
        for trial_id in list(live):
            if most is not None and next(steps) >= most:
                return
            config, epoch = live[trial_id]
            epoch += 1
            done[trial_id] = epoch
            miou = 0.1 if config["kind"] == "b" else min(0.9, float(config["x"])) * epoch / EPOCHS
            decision = sweep.epoch(trial_id, epoch, {"miou": miou})
            live[trial_id] = (config, epoch)
            if decision.action != "continue":
                sweep.ended(trial_id, "stopped", "", {"miou": miou})
                del live[trial_id]
            elif epoch == EPOCHS:
                sweep.ended(trial_id, "complete", "", {"miou": miou, **costs(config)})
                del live[trial_id]


def asked(tape: Tape) -> list[Config]:
    return [event.config for event in tape if isinstance(event, TrialAsked)]


@pytest.mark.parametrize("searcher", searcher_names())
@pytest.mark.parametrize("scheduler", scheduler_names())
def test_baselines_are_proposed_first_and_fully_trained(searcher: str, scheduler: str) -> None:
    tape = Tape()
    run(sweep_of(tape, searcher=searcher, scheduler=scheduler, trials=20))
    configs = asked(tape)
    assert configs[:3] == [baseline.config for baseline in ALL]
    assert len({config_digest(config) for config in configs}) == len(configs)
    first = {"t00000", "t00001", "t00002"}
    assert not [e for e in tape if isinstance(e, TrialJudged) and e.trial_id in first]
    ends = {event.trial_id: event.state for event in tape if isinstance(event, TrialEnded)}
    assert {ends[trial_id] for trial_id in first} == {"complete"}
    if scheduler != "none":
        assert "stopped" in ends.values()


@pytest.mark.parametrize("searcher", searcher_names())
@pytest.mark.parametrize("scheduler", scheduler_names())
def test_a_replay_proposes_and_decides_the_same(searcher: str, scheduler: str) -> None:
    tape = Tape()
    run(sweep_of(tape, searcher=searcher, scheduler=scheduler))
    assert not searcher_findings(tape, setup_of(searcher=searcher).searcher(), propose=True)
    assert not scheduler_findings(tape, setup_of(scheduler=scheduler).scheduler())
    assert searcher_findings(
        tape, setup_of(searcher=searcher, baselines=ALL[1:]).searcher(), propose=True
    )


@settings(max_examples=25)
@given(st.integers(0, 40), st.sampled_from(["random", "cost-aware"]))
def test_a_resumed_sweep_tries_each_baseline_once(cut: int, searcher: str) -> None:
    tape = Tape()
    run(sweep_of(tape, searcher=searcher), most=cut, lanes=1)
    resumed = sweep_of(tape, searcher=searcher)
    resumed.replay(list(tape))
    run(resumed, lanes=1)
    whole = Tape()
    run(sweep_of(whole, searcher=searcher), lanes=1)
    assert asked(tape) == asked(whole)


@given(st.lists(st.sampled_from(ALL), unique_by=lambda baseline: baseline.name), st.integers(0, 9))
def test_the_wrapped_searcher_observes_only_points_of_its_space(
    baselines: list[Baseline], more: int
) -> None:
    observed: list[SweepEvent] = []

    class Recording:
        def propose(self, number: int) -> Config | None:
            return {"kind": "a", "x": number / 100}

        def observe(self, event: SweepEvent) -> None:
            observed.append(event)

    searcher = BaselinesFirst(Recording(), baselines, SPACE)
    for number in range(len(baselines) + more):
        trial_id = f"t{number}"
        config = searcher.propose(number)
        assert config is not None
        assert searcher.propose(number) == config
        searcher.observe(TrialAsked(trial_id=trial_id, number=number, config=config))
        searcher.observe(TrialStarted(trial_id=trial_id))
        searcher.observe(EpochReported(trial_id=trial_id, epoch=1, metrics={"miou": 0.5}))
    inside = [baseline for baseline in baselines if baseline is not OUTSIDE]
    seen = [event.config for event in observed if isinstance(event, TrialAsked)]
    assert seen[: len(inside)] == [baseline.config for baseline in inside]
    assert len(observed) == 3 * (len(inside) + more)


def test_constraints_apply_to_baselines() -> None:
    tape = Tape()
    run(sweep_of(tape, limits=["flops <= 2"]))
    ends = {event.trial_id: event for event in tape if isinstance(event, TrialEnded)}
    assert ends["t00001"].state == "infeasible"
    assert "flops = 7.1 breaks flops <= 2" in ends["t00001"].reason


def test_a_baseline_with_a_dominated_bound_is_trained() -> None:
    rule = DominatedBound(SPACE, OBJECTIVES, exempt=names_by_digest([WORST]))
    for number in range(40):
        config: Config = {"kind": "ab"[number % 2], "x": 0.1 + number / 80}
        trial_id = f"t{number}"
        rule.observe(
            TrialAsked(trial_id=trial_id, number=number, config=config, known=costs(config))
        )
        miou = 0.1 if config["kind"] == "b" else 0.9
        rule.observe(TrialEnded(trial_id=trial_id, state="complete", metrics={"miou": miou}))
    assert rule.verdict({"kind": "b", "x": 0.99}, costs({"x": 0.99})) is not None
    assert rule.verdict(dict(WORST.config), costs(dict(WORST.config))) is None


def test_baselines_do_not_count_as_stagnation() -> None:
    worse = [Baseline(name=str(n), config={"kind": "b", "x": n / 10}) for n in range(1, 10)]
    tape = Tape()
    run(sweep_of(tape, baselines=worse, trials=30, patience=8, scheduler="none"), lanes=1)
    assert len(asked(tape)) > 9 + 8
    rule = Stagnation(OBJECTIVES, patience=1)
    exempt = Stagnation(OBJECTIVES, patience=1, exempt=names_by_digest(worse))
    book = RecordBook()
    for event in tape:
        record = book.observe(event)
        rule.observe(event, record)
        exempt.observe(event, record)
        if isinstance(event, TrialEnded) and event.trial_id == "t00008":
            assert not exempt.reached
