from __future__ import annotations

import numpy as np

from orchestrator.ledger.events import EpochReported, TrialAsked, TrialEnded
from orchestrator.search.searchers.problem import SearchProblem
from orchestrator.search.searchers.surrogate_state import SurrogateState
from orchestrator.search.searchers.tried_configs import TriedConfigs
from orchestrator.spec.objectives import Objective
from search_spaces.domains import Float
from search_spaces.space import SearchSpace

SPACE = SearchSpace.of(x=Float(0, 1))
PROBLEM = SearchProblem(space=SPACE, objectives=(Objective("error", "minimize"),))


def state_of(trials: int) -> tuple[SurrogateState, TriedConfigs]:
    tried = TriedConfigs.of(PROBLEM)
    state = SurrogateState(PROBLEM, tried)
    for number in range(trials):
        name, x = f"t{number}", number / trials
        state.observe(TrialAsked(trial_id=name, number=number, config={"x": x}))
        state.observe(EpochReported(trial_id=name, epoch=1, metrics={"error": x}))
        state.observe(TrialEnded(trial_id=name, state="complete", metrics={"error": x}))
    return state, tried


def test_a_configuration_outside_the_space_is_ignored_but_counts_as_tried() -> None:
    state, tried = state_of(0)
    assert not state.observe(TrialAsked(trial_id="w", number=0, config={"y": 3}))
    assert state.observe(EpochReported(trial_id="w", epoch=1, metrics={"error": 0.1}))
    assert not state.observations.trials
    assert not tried.is_new({"y": 3})


def test_candidates_are_drawn_near_the_best_trials() -> None:
    state, _ = state_of(100)
    state.refresh_candidates(np.random.default_rng(0))
    near = [float(config["x"]) for config in state.pool.configs[16:]]
    assert np.median(near) < 0.4


def test_candidates_are_ranked_by_their_acquisition_value() -> None:
    state, _ = state_of(20)
    state.refresh_candidates(np.random.default_rng(0))
    ranked = state.ranked_candidates(state.acquisition())
    values = [value for value, _ in ranked]
    assert values == sorted(values, reverse=True)
    assert len(ranked) == len(state.pool.configs)
    best, worst = ranked[0][1], ranked[-1][1]
    assert float(best["x"]) < float(worst["x"])
