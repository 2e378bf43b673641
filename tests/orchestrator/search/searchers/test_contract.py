"""Contract of every searcher."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

import pytest

from orchestrator.ledger.events import EpochReported, TrialAsked, TrialEnded
from orchestrator.search.searchers.base import SearchProblem
from orchestrator.search.searchers.registry import make_searcher
from orchestrator.spec.objectives import Constraint, Objective
from orchestrator.spec.sweep_spec import searcher_names
from search_spaces.conditions import Equals
from search_spaces.domains import Categorical, Float, Int, LogFloat, LogInt
from search_spaces.space import SearchSpace, config_digest

if TYPE_CHECKING:
    from orchestrator.ledger.events import SweepEvent
    from orchestrator.search.searchers.base import Searcher
    from search_spaces.space import Config
    from trainables.session.messages import TrialState

OBJECTIVES = (Objective("miou", "maximize"), Objective("flops", "minimize"))
SPACE = SearchSpace.of(
    kind=Categorical("small", "large", True, 1),
    width=LogInt(4, 64),
    depth=Int(1, 6),
    rate=LogFloat(1e-4, 1e-1),
    momentum=Float(0.5, 0.99),
).where("momentum", Equals("kind", "large"))
TRIALS = 40
"""More than the start-up trials of any searcher."""
NAN = math.nan
"""One object, as NaN equals only itself by identity: so equal events compare equal."""
STATES: tuple[TrialState, ...] = ("complete", "stopped", "failed", "infeasible", "preempted")


def cost(config: Config) -> dict[str, float]:
    return {"flops": float(config["width"]) * float(config["depth"])}


def quality(config: Config) -> float:
    distance = math.log10(float(config["rate"])) + 2.5
    return math.exp(-(distance**2)) * (1 - 1 / math.sqrt(cost(config)["flops"]))


def searcher_for(name: str, seed: int = 3, *, constrained: bool = False) -> Searcher:
    problem = SearchProblem(
        space=SPACE,
        objectives=OBJECTIVES,
        seed=seed,
        max_epochs=3,
        known_cost=cost,
        constraints=(Constraint("flops", "<=", 100.0),) if constrained else (),
    )
    return make_searcher(name, problem)


def run(searcher: Searcher, trials: int) -> list[SweepEvent]:
    """Run three trials at a time, which end in all states, some of them with NaN."""
    events: list[SweepEvent] = []

    def emit(event: SweepEvent) -> None:
        events.append(event)
        searcher.observe(event)

    running: list[tuple[int, Config]] = []
    for number in range(trials):
        config = searcher.propose(number)
        assert config is not None
        emit(TrialAsked(trial_id=f"t{number}", number=number, config=config, known=cost(config)))
        running.append((number, config))
        if len(running) == 3:
            finish(emit, *running.pop(0))
    return events


@cache
def sweep_and_next(name: str) -> tuple[tuple[SweepEvent, ...], Config | None]:
    """Return the cached events of a sweep and the next proposal of its searcher."""
    searcher = searcher_for(name)
    return tuple(run(searcher, TRIALS)), searcher.propose(TRIALS)


def sweep_events(name: str) -> tuple[SweepEvent, ...]:
    return sweep_and_next(name)[0]


def finish(emit: object, number: int, config: Config) -> None:
    assert callable(emit)
    trial_id = f"t{number}"
    miou = NAN if number % 7 == 6 else quality(config)
    state = STATES[number % 5] if number % 2 else "complete"
    for epoch in range(1, 4 if state == "complete" else 2):
        emit(
            EpochReported(
                trial_id=trial_id,
                epoch=epoch,
                metrics={"miou": miou if miou is NAN else miou * epoch / 3},
            )
        )
    emit(TrialEnded(trial_id=trial_id, state=state, metrics={"miou": miou, **cost(config)}))


@pytest.mark.parametrize("name", searcher_names())
class TestEverySearcher:
    def test_proposals_are_distinct_points_of_the_space(self, name: str) -> None:
        asked = [e for e in sweep_events(name) if isinstance(e, TrialAsked)]
        assert all(not SPACE.faults(event.config) for event in asked)
        assert len({config_digest(event.config) for event in asked}) == len(asked)

    def test_proposals_depend_on_the_seed(self, name: str) -> None:
        again, other = run(searcher_for(name), 25), run(searcher_for(name, seed=4), 5)
        assert again == list(sweep_events(name)[: len(again)])
        assert again[: len(other)] != other

    def test_a_replayed_searcher_proposes_the_same(self, name: str) -> None:
        events, proposed = sweep_and_next(name)
        replayed = searcher_for(name)
        for event in events:
            replayed.observe(event)
        assert replayed.propose(TRIALS) == proposed

    def test_propose_changes_no_state(self, name: str) -> None:
        probed, plain = searcher_for(name), searcher_for(name)
        for count, event in enumerate(sweep_events(name)):
            probed.observe(event)
            plain.observe(event)
            if count % 9 == 0:
                probed.propose(count)
        first, second = probed.propose(TRIALS), probed.propose(TRIALS)
        assert first == second == plain.propose(TRIALS)

    def test_keeps_constraints_on_known_costs(self, name: str) -> None:
        asked = run(searcher_for(name, constrained=True), 40)
        assert all(e.known["flops"] <= 100 for e in asked if isinstance(e, TrialAsked))

    def test_a_finite_space_is_exhausted(self, name: str) -> None:
        space = SearchSpace.of(kind=Categorical("a", "b"), more=Int(1, 3)).where(
            "more", Equals("kind", "b")
        )
        searcher = make_searcher(name, SearchProblem(space=space, objectives=OBJECTIVES))
        configs: list[Config] = []
        while (config := searcher.propose(len(configs))) is not None:
            number = len(configs)
            configs.append(config)
            searcher.observe(TrialAsked(trial_id=str(number), number=number, config=config))
            searcher.observe(TrialEnded(trial_id=str(number), state="failed"))
        assert sorted(map(str, configs)) == [
            "{'kind': 'a'}",
            *(f"{{'kind': 'b', 'more': {more}}}" for more in (1, 2, 3)),
        ]

    def test_events_of_another_space_are_ignored(self, name: str) -> None:
        searcher = searcher_for(name)
        other: Config = {"kind": "gone", "width": 3}
        searcher.observe(TrialAsked(trial_id="w", number=0, config=other, known={"flops": 3.0}))
        searcher.observe(
            TrialEnded(trial_id="w", state="complete", metrics={"miou": 0.5, "flops": 3.0})
        )
        assert searcher.propose(1) is not None
