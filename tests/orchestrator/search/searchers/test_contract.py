"""What every searcher promises, whatever its kind."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

import pytest

from orchestrator.ledger.events import EpochReported, TrialAsked, TrialEnded
from orchestrator.search.searchers.problem import SearchProblem
from orchestrator.search.searchers.registry import make_searcher
from orchestrator.spec.constraints import Constraint
from orchestrator.spec.objectives import Objective
from orchestrator.spec.strategies import searcher_names
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
"""More than any searcher needs to begin learning."""
NAN = math.nan
"""One object, so that equal events compare equal."""
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
    """Run trials three at a time; every fifth ends in another state, some of them with NaN."""
    events: list[SweepEvent] = []

    def happen(event: SweepEvent) -> None:
        events.append(event)
        searcher.observe(event)

    waiting: list[tuple[int, Config]] = []
    for number in range(trials):
        config = searcher.propose(number)
        assert config is not None
        happen(TrialAsked(trial_id=f"t{number}", number=number, config=config, known=cost(config)))
        waiting.append((number, config))
        if len(waiting) == 3:
            finish(happen, *waiting.pop(0))
    return events


@cache
def story(name: str) -> tuple[SweepEvent, ...]:
    """Return the events of a sweep, which are made once."""
    return tuple(run(searcher_for(name), TRIALS))


def finish(happen: object, number: int, config: Config) -> None:
    assert callable(happen)
    trial_id = f"t{number}"
    miou = NAN if number % 7 == 6 else quality(config)
    state = STATES[number % 5] if number % 2 else "complete"
    for epoch in range(1, 4 if state == "complete" else 2):
        happen(
            EpochReported(
                trial_id=trial_id,
                epoch=epoch,
                metrics={"miou": miou if miou is NAN else miou * epoch / 3},
            )
        )
    happen(TrialEnded(trial_id=trial_id, state=state, metrics={"miou": miou, **cost(config)}))


@pytest.mark.parametrize("name", searcher_names())
class TestEverySearcher:
    def test_proposes_points_of_the_space_and_none_twice(self, name: str) -> None:
        asked = [e for e in story(name) if isinstance(e, TrialAsked)]
        assert all(not SPACE.faults(event.config) for event in asked)
        assert len({config_digest(event.config) for event in asked}) == len(asked)

    def test_the_same_seed_proposes_the_same(self, name: str) -> None:
        assert run(searcher_for(name), 25) == run(searcher_for(name), 25)
        assert run(searcher_for(name), 5) != run(searcher_for(name, seed=4), 5)

    def test_a_replayed_searcher_stands_where_the_first_one_stood(self, name: str) -> None:
        first, second = searcher_for(name), searcher_for(name)
        for event in run(first, TRIALS):
            second.observe(event)
        assert first.propose(TRIALS) == second.propose(TRIALS)

    def test_proposing_changes_nothing(self, name: str) -> None:
        asked_often, asked_once = searcher_for(name), searcher_for(name)
        for count, event in enumerate(story(name)):
            asked_often.observe(event)
            asked_once.observe(event)
            if count % 9 == 0:
                asked_often.propose(count)
        often, again = asked_often.propose(TRIALS), asked_often.propose(TRIALS)
        assert often == again == asked_once.propose(TRIALS)

    def test_keeps_constraints_on_known_costs(self, name: str) -> None:
        asked = run(searcher_for(name, constrained=True), 40)
        assert all(e.known["flops"] <= 100 for e in asked if isinstance(e, TrialAsked))

    def test_a_finite_space_is_tried_to_its_end(self, name: str) -> None:
        space = SearchSpace.of(kind=Categorical("a", "b"), more=Int(1, 3)).where(
            "more", Equals("kind", "b")
        )
        searcher = make_searcher(name, SearchProblem(space=space, objectives=OBJECTIVES))
        found: list[Config] = []
        while (config := searcher.propose(len(found))) is not None:
            number = len(found)
            found.append(config)
            searcher.observe(TrialAsked(trial_id=str(number), number=number, config=config))
            searcher.observe(TrialEnded(trial_id=str(number), state="failed"))
        assert sorted(map(str, found)) == [
            "{'kind': 'a'}",
            *(f"{{'kind': 'b', 'more': {more}}}" for more in (1, 2, 3)),
        ]

    def test_goes_on_from_events_of_another_space(self, name: str) -> None:
        searcher = searcher_for(name)
        other: Config = {"kind": "gone", "width": 3}
        searcher.observe(TrialAsked(trial_id="w", number=0, config=other, known={"flops": 3.0}))
        searcher.observe(
            TrialEnded(trial_id="w", state="complete", metrics={"miou": 0.5, "flops": 3.0})
        )
        assert searcher.propose(1) is not None
