from __future__ import annotations

import pytest

from orchestrator.ledger.events import EpochReported, TrialAsked
from orchestrator.search.schedulers.asha import PromotingAsha
from orchestrator.search.schedulers.base import NoStopping
from orchestrator.search.schedulers.registry import make_scheduler
from orchestrator.search.searchers.base import SearchProblem
from orchestrator.spec.objectives import Objective
from orchestrator.spec.sweep_spec import scheduler_names
from search_spaces.domains import Float
from search_spaces.space import SearchSpace

PROBLEM = SearchProblem(
    space=SearchSpace.of(x=Float(0, 1)),
    objectives=(Objective("miou", "maximize"), Objective("flops", "minimize")),
    max_epochs=9,
)


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'hyperband'; there are .*mo-asha-promote"):
        make_scheduler("hyperband", PROBLEM)


def test_every_name_makes_a_scheduler_of_its_own() -> None:
    made = {name: make_scheduler(name, PROBLEM) for name in scheduler_names()}
    assert isinstance(made["none"], NoStopping)
    assert isinstance(made["mo-asha-promote"], PromotingAsha)
    assert len({id(scheduler) for scheduler in made.values()}) == len(made)


@pytest.mark.parametrize(("name", "action"), [("asha", "stop"), ("mo-asha", "continue")])
def test_only_the_multi_objective_scheduler_compares_costs(name: str, action: str) -> None:
    scheduler = make_scheduler(name, PROBLEM)
    trials = [(0.50, 9.0), (0.49, 9.0), (0.48, 9.0), (0.47, 9.0), (0.485, 0.1)]
    for number, (miou, flops) in enumerate(trials):
        trial_id, known = f"t{number}", {"flops": flops}
        scheduler.observe(TrialAsked(trial_id=trial_id, number=number, config={}, known=known))
        scheduler.observe(EpochReported(trial_id=trial_id, epoch=1, metrics={"miou": miou}))
    assert scheduler.decide("t4").action == action


@pytest.mark.parametrize("setting", [{"grace_period": 0}, {"reduction_factor": 1}])
def test_numbers_out_of_range_are_refused(setting: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"at least 1 epoch|above 1"):
        make_scheduler("asha", PROBLEM, **setting)
