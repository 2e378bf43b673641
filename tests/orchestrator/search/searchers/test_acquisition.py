from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from orchestrator.ledger.events import (
    EpochReported,
    TrialAsked,
    TrialEnded,
    TrialProfiled,
    TrialStarted,
)
from orchestrator.search.searchers.acquisition import CostTable
from orchestrator.search.searchers.base import SearchProblem, TriedConfigs
from orchestrator.search.searchers.encoding import Encoder
from orchestrator.search.searchers.learning_curves import TrialObservations
from orchestrator.search.searchers.surrogate_state import SurrogateState
from orchestrator.spec.objectives import Constraint, Objective
from search_spaces.domains import Float
from search_spaces.space import SearchSpace

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.ledger.events import SweepEvent
    from search_spaces.space import Config


SPACE = SearchSpace.of(x=Float(0, 1))
OBJECTIVES = (Objective("miou", "maximize"), Objective("latency_ms", "minimize"))


def trial(name: str, latency: float, *, trained: bool) -> Iterable[SweepEvent]:
    yield TrialAsked(trial_id=name, number=int(name[1:]), config={"x": latency / 1000})
    yield TrialProfiled(trial_id=name, metrics={"latency_ms": latency})
    if trained:
        yield EpochReported(trial_id=name, epoch=1, metrics={"miou": 0.4})
        yield EpochReported(trial_id=name, epoch=2, metrics={"miou": 0.5})
    state = "complete" if trained else "infeasible"
    yield TrialEnded(trial_id=name, state=state, metrics={"latency_ms": latency})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("constraints", "largest"),
    [((), 120.0), ((Constraint("latency_ms", "<=", 25.0),), 20.0)],
    ids=["unbounded", "bounded"],
)
def test_costs_count_up_to_slightly_beyond_the_largest_feasible_one(
    constraints: tuple[Constraint, ...], largest: float
) -> None:
    problem = SearchProblem(space=SPACE, objectives=OBJECTIVES, constraints=constraints)
    encoder = Encoder(SPACE)
    observations = TrialObservations(encoder, problem.curve_objective)
    table = CostTable(problem, encoder, observations)
    for event in (
        *trial("t0", 10.0, trained=True),
        *trial("t1", 20.0, trained=True),
        *trial("t2", 120.0, trained=False),
    ):
        observations.observe(event)
        table.observe(event)
    (low,), (high,) = table.box()
    assert low == 10.0
    assert largest < high < largest + 0.05 * (largest - low)


PLANE = SearchSpace.of(error=Float(0, 1), slow=Float(0, 1))
EPOCHS = 4


KNOWN = {"flops": 1.0}


def surrogate(*constraints: Constraint) -> SurrogateState:
    """Return the state after 20 trials; slow ones take 10 times as long and break latency 5."""
    problem = SearchProblem(
        space=PLANE,
        objectives=(Objective("error", "minimize"), Objective("flops", "minimize")),
        max_epochs=EPOCHS,
        constraints=constraints,
        known_cost=lambda _: KNOWN,
        reference_point={"error": 1.0, "flops": 2.0},
    )
    state = SurrogateState(problem, TriedConfigs.of(problem))
    rng = np.random.default_rng(0)
    for number in range(20):
        config: Config = {"error": float(rng.uniform(0.3, 1.0)), "slow": float(rng.random())}
        add(state, number, config, epochs=EPOCHS)
    return state


def add(state: SurrogateState, number: int, config: Config, *, epochs: int) -> None:
    name, start = f"t{number}", 100.0 * number
    seconds = 1 + 9 * float(config["slow"])
    state.observe(TrialAsked(trial_id=name, number=number, config=config, known=KNOWN))
    state.observe(TrialStarted(trial_id=name, seconds=start))
    for epoch in range(1, epochs + 1):
        error = float(config["error"]) + 0.1 * (EPOCHS - epoch)
        state.observe(
            EpochReported(
                trial_id=name, epoch=epoch, metrics={"error": error}, seconds=start + seconds
            )
        )
    if epochs == EPOCHS:
        metrics = {"latency_ms": seconds}
        state.observe(TrialEnded(trial_id=name, state="complete", metrics=metrics))


def value(state: SurrogateState, error: float, slow: float) -> float:
    config: Config = {"error": error, "slow": slow}
    vectors = state.encoder.encode(config)[None]
    return float(state.acquisition().of_candidates(vectors, [KNOWN])[0])


def test_a_better_candidate_has_a_larger_value() -> None:
    state = surrogate()
    assert value(state, 0.05, 0.5) > 2 * value(state, 0.25, 0.5) > 0


def test_a_faster_candidate_has_a_larger_value() -> None:
    state = surrogate()
    assert value(state, 0.1, 0.05) > 1.5 * value(state, 0.1, 0.95)


def test_a_predicted_violation_is_minus_infinity() -> None:
    state = surrogate(Constraint("latency_ms", "<=", 5.0))
    assert value(state, 0.1, 0.95) == -math.inf
    assert value(state, 0.1, 0.05) > 0


def test_a_pending_trial_lowers_the_value_near_it() -> None:
    state = surrogate()
    before = value(state, 0.1, 0.5)
    add(state, 20, {"error": 0.1, "slow": 0.5}, epochs=0)
    assert value(state, 0.1, 0.5) < 0.5 * before


def test_an_excluded_trial_has_no_fantasy() -> None:
    state = surrogate()
    config: Config = {"error": 0.1, "slow": 0.5}
    add(state, 20, config, epochs=1)
    trial = state.observations.trials["t20"]
    included = state.acquisition().of_trial(trial, 0.75)
    excluded = state.acquisition(exclude=trial).of_trial(trial, 0.75)
    assert excluded > included
    assert state.acquisition(exclude=trial).of_trial(trial, 0.25) == pytest.approx(3 * excluded)
