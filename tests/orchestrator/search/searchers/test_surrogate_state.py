from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.ledger.events import EpochReported, TrialAsked, TrialEnded
from orchestrator.search.searchers.base import SearchProblem, TriedConfigs
from orchestrator.search.searchers.encoding import Encoder
from orchestrator.search.searchers.surrogate_state import (
    NEAR_PER_TRIAL,
    POOL_SIZE,
    RANDOM_PER_TRIAL,
    CandidatePool,
    SurrogateState,
    neighbour,
)
from orchestrator.spec.objectives import Constraint, Objective
from search_spaces.conditions import Equals
from search_spaces.domains import Categorical, Float, Int, LogFloat
from search_spaces.space import Config, SearchSpace

SPACE = SearchSpace.of(
    kind=Categorical("a", "b"), rate=LogFloat(1e-4, 1.0), depth=Int(1, 9), extra=Float(0, 1)
).where("extra", Equals("kind", "b"))


def pool_of(*constraints: Constraint) -> CandidatePool:
    def known(config: Config) -> dict[str, float]:
        return {"depth": float(config["depth"])}

    tried = TriedConfigs(SPACE, constraints=constraints, known_cost=known)
    return CandidatePool(SPACE, Encoder(SPACE), tried)


def test_a_pool_keeps_the_latest_candidates_with_their_vectors() -> None:
    pool = pool_of()
    pool.refresh(np.random.default_rng(0), [])
    assert len(pool.configs) == RANDOM_PER_TRIAL
    first = pool.configs[0]
    for seed in range(1, 20):
        pool.refresh(np.random.default_rng(seed), pool.configs[:1])
    assert len(pool.configs) == len(pool.known) == POOL_SIZE
    assert first not in pool.configs
    encoder = Encoder(SPACE)
    assert np.array_equal(pool.vectors, [encoder.encode(config) for config in pool.configs])


def test_candidates_are_drawn_near_the_parents() -> None:
    pool = pool_of()
    parent: Config = {"kind": "a", "rate": 1e-2, "depth": 5}
    pool.refresh(np.random.default_rng(0), [parent])
    near = pool.configs[RANDOM_PER_TRIAL:]
    assert len(near) == NEAR_PER_TRIAL
    equal = [sum(config.get(n) == v for n, v in parent.items()) for config in near]
    assert np.mean(equal) > 1.5


def test_candidates_keep_constraints_on_known_metrics() -> None:
    pool = pool_of(Constraint("depth", "<=", 3.0))
    pool.refresh(np.random.default_rng(0), [])
    assert 0 < len(pool.configs) < RANDOM_PER_TRIAL
    assert all(known["depth"] <= 3 for known in pool.known)


@given(st.integers(0, 10_000), st.floats(0.0, 2.0))
def test_a_neighbour_is_a_point_of_the_space(seed: int, width: float) -> None:
    rng = np.random.default_rng(seed)
    assert SPACE.faults(neighbour(SPACE, SPACE.sample(rng), rng, width=width)) == []


@pytest.mark.parametrize("width", [0.02, 0.2])
def test_a_changed_number_moves_by_about_the_width(width: float) -> None:
    space = SearchSpace.of(x=Float(0, 1))
    rng = np.random.default_rng(0)
    moved = [float(neighbour(space, {"x": 0.5}, rng, width=width)["x"]) - 0.5 for _ in range(400)]
    assert np.std(moved) == pytest.approx(width, rel=0.15)


CURVE_SPACE = SearchSpace.of(x=Float(0, 1))
PROBLEM = SearchProblem(space=CURVE_SPACE, objectives=(Objective("error", "minimize"),))


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
