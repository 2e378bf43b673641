from __future__ import annotations

import math
from typing import TYPE_CHECKING

import optuna
import pytest

from orchestrator.ledger.events import TrialAsked, TrialEnded
from orchestrator.search.searchers.base import TriedConfigs
from orchestrator.search.searchers.optuna_search import OptunaSearcher, motpe_sampler, suggest
from orchestrator.spec.objectives import Objective
from search_spaces.domains import Categorical, Float, LogInt
from search_spaces.space import SearchSpace

if TYPE_CHECKING:
    from trainables.session.messages import TrialState

SPACE = SearchSpace.of(x=Float(0, 1))
OBJECTIVES = (Objective("miou", "maximize"), Objective("flops", "minimize"))
States = optuna.trial.TrialState


def study_trial(state: TrialState, metrics: dict[str, float]) -> optuna.trial.FrozenTrial:
    searcher = OptunaSearcher(
        TriedConfigs(SPACE), sampler=motpe_sampler, objectives=OBJECTIVES, seed=0
    )
    searcher.observe(TrialAsked(trial_id="t", number=0, config={"x": 0.25}, known={"flops": 9.0}))
    searcher.observe(TrialEnded(trial_id="t", state=state, metrics=metrics))
    return searcher._study.trials[0]


def test_a_complete_trial_has_its_values_in_the_study() -> None:
    trial = study_trial("complete", {"miou": 0.5})
    assert (trial.state, trial.values, trial.params) == (States.COMPLETE, [0.5, 9.0], {"x": 0.25})


@pytest.mark.parametrize(
    ("state", "metrics", "expected"),
    [
        ("stopped", {"miou": 0.5}, States.PRUNED),
        ("failed", {"miou": 0.5}, States.FAIL),
        ("preempted", {}, States.FAIL),
        ("complete", {"miou": math.nan}, States.FAIL),
        ("complete", {}, States.FAIL),
    ],
)
def test_other_trials_have_no_values_in_the_study(
    state: TrialState, metrics: dict[str, float], expected: optuna.trial.TrialState
) -> None:
    trial = study_trial(state, metrics)
    assert trial.state == expected
    assert trial.values is None


def test_an_infeasible_trial_breaks_a_constraint() -> None:
    trial = study_trial("infeasible", {})
    assert trial.state == States.PRUNED
    assert any(value > 0 for value in trial.constraints.values())


def test_domains_keep_their_scale() -> None:
    study = optuna.create_study()
    study.enqueue_trial({"width": 3, "kind": 2})
    trial = study.ask()
    space = SearchSpace.of(width=LogInt(2, 8), kind=Categorical("a", True, 1))
    assert repr(suggest(trial, space)) == "{'width': 3, 'kind': 1}"
    assert trial.distributions["width"] == optuna.distributions.IntDistribution(2, 8, log=True)
