from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestrator.ledger.events import EpochReported, TrialAsked, TrialEnded, TrialProfiled
from orchestrator.search.searchers.cost_table import CostTable
from orchestrator.search.searchers.encoding import Encoder
from orchestrator.search.searchers.problem import SearchProblem
from orchestrator.search.searchers.trial_observations import TrialObservations
from orchestrator.spec.constraints import Constraint
from orchestrator.spec.objectives import Objective
from search_spaces.domains import Float
from search_spaces.space import SearchSpace

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.ledger.events import SweepEvent

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
