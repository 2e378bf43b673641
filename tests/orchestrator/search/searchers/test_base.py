from __future__ import annotations

import math

import numpy as np
import pytest

from orchestrator.ledger.events import SweepEvent, TrialAsked, TrialEnded
from orchestrator.search.searchers.base import SearchProblem, TriedConfigs, total_violation
from orchestrator.spec.objectives import Constraint, Objective
from search_spaces.conditions import Equals
from search_spaces.domains import Categorical, Float, Int
from search_spaces.space import Config, SearchSpace, config_digest

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


LIMIT = Constraint("cost", "<=", 4.0)


def cost(config: Config) -> dict[str, float]:
    return {"cost": float(config["x"])}


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_a_finite_space_is_sampled_to_its_end_without_repeats() -> None:
    space = SearchSpace.of(kind=Categorical("a", "b"), x=Int(0, 3)).where("x", Equals("kind", "b"))
    tried, sampled = TriedConfigs(space), []
    while (config := tried.sample_new(rng())) is not None:
        assert tried.is_new(config)
        tried.add(config)
        sampled.append(config_digest(config))
    assert len(set(sampled)) == len(sampled) == 5


def test_feasible_configurations_come_before_infeasible_ones() -> None:
    tried = TriedConfigs(SPACE, constraints=[LIMIT], known_cost=cost)
    values = []
    while (config := tried.sample_new(rng())) is not None:
        tried.add(config)
        values.append(int(config["x"]))
    assert sorted(values[:5]) == [0, 1, 2, 3, 4]
    assert values[5] == 5


def test_known_metrics_are_returned_where_the_constraints_hold() -> None:
    tried = TriedConfigs(SPACE, constraints=[LIMIT], known_cost=cost)
    assert tried.feasible_metrics({"x": 4}) == {"cost": 4.0}
    assert tried.feasible_metrics({"x": 5}) is None
    tried.add({"x": 4})
    assert tried.feasible_metrics({"x": 4}) == {"cost": 4.0}
    assert tried.feasible_metrics({"x": 4}, new=True) is None
    assert TriedConfigs(SPACE).known_metrics({"x": 4}) == {}


def test_costs_are_computed_once_per_configuration() -> None:
    computed: list[Config] = []

    def counted(config: Config) -> dict[str, float]:
        computed.append(config)
        return cost(config)

    tried = TriedConfigs(SPACE, known_cost=counted)
    for _ in range(3):
        tried.known_metrics({"x": 4})
    assert computed == [{"x": 4}]


def test_an_unfinished_configuration_may_have_a_second_trial() -> None:
    tried = TriedConfigs(SPACE, unfinished=[config_digest({"x": 1})])
    tried.add({"x": 1})
    assert tried.is_new({"x": 1})
    tried.add({"x": 1})
    assert not tried.is_new({"x": 1})


def test_a_problem_passes_its_constraints_and_costs() -> None:
    problem = SearchProblem(
        space=SPACE,
        objectives=(Objective("miou", "maximize"),),
        constraints=(LIMIT,),
        known_cost=cost,
    )
    assert TriedConfigs.of(problem).feasible_metrics({"x": 9}) is None


def test_an_infinite_space_is_never_exhausted() -> None:
    tried = TriedConfigs(SearchSpace.of(x=Float(0, 1)))
    assert tried.sample_new(rng()) is not None


@pytest.mark.parametrize(
    ("metrics", "violation"),
    [
        ({}, 0.0),
        ({"cost": 4.0, "miou": 0.5}, 0.0),
        ({"cost": 6.0, "miou": 0.5}, 0.5),
        ({"cost": 6.0, "miou": 0.25}, 1.0),
        ({"cost": math.nan}, math.inf),
    ],
)
def test_violations_are_relative_to_their_bounds(
    metrics: dict[str, float], violation: float
) -> None:
    limits = [LIMIT, Constraint("miou", ">=", 0.5)]
    assert total_violation(limits, metrics) == pytest.approx(violation)


def test_a_strict_bound_is_violated_by_equality() -> None:
    assert total_violation([Constraint("cost", "<", 4.0)], {"cost": 4.0}) > 0
