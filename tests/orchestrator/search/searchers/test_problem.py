from __future__ import annotations

import math

import pytest

from orchestrator.ledger.events import SweepEvent, TrialAsked, TrialEnded
from orchestrator.search.searchers.problem import SearchProblem
from orchestrator.spec.objectives import Objective
from search_spaces.domains import Int
from search_spaces.space import SearchSpace, config_digest

SPACE = SearchSpace.of(x=Int(0, 9))
OBJECTIVES = (Objective("flops", "minimize"), Objective("miou", "maximize"))
EARLIER: list[SweepEvent] = [
    TrialAsked(trial_id="w0", number=0, config={"x": 1}),
    TrialEnded(trial_id="w0", state="complete"),
    TrialAsked(trial_id="w1", number=1, config={"x": 2}),
    TrialEnded(trial_id="w1", state="stopped"),
]


def problem(**settings: object) -> SearchProblem:
    return SearchProblem(space=SPACE, objectives=OBJECTIVES, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("known", "name"),
    [(None, "flops"), ({"flops": 1.0}, "miou"), ({"flops": 1.0, "miou": 0.5}, "flops")],
)
def test_the_first_unknown_objective_has_the_curve(
    known: dict[str, float] | None, name: str
) -> None:
    known_cost = None if known is None else lambda _: known
    assert problem(known_cost=known_cost).curve_objective.name == name


def test_earlier_trials_count_among_those_to_learn_from() -> None:
    assert problem(trials=3, earlier=EARLIER).trials_to_learn_from == 5
    assert problem(earlier=EARLIER).trials_to_learn_from == math.inf


def test_earlier_configurations_without_a_full_training_are_unfinished() -> None:
    assert problem(earlier=EARLIER).unfinished == [config_digest({"x": 2})]


def test_a_problem_needs_an_objective() -> None:
    with pytest.raises(ValueError, match="at least one objective"):
        SearchProblem(space=SPACE, objectives=())


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="-1"):
        problem(seed=-1)
