from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.forecast.simulation.clockwork import Clockwork
from orchestrator.search.gate import CostGate
from orchestrator.search.schedulers.registry import make_scheduler
from orchestrator.search.searchers.problem import SearchProblem
from orchestrator.search.searchers.registry import make_searcher
from orchestrator.spec.constraints import Constraint
from orchestrator.spec.objectives import Objective
from orchestrator.sweep.stagnation import Stagnation
from search_spaces.domains import Float
from search_spaces.space import SearchSpace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.forecast.simulation.result import SeedResult
    from search_spaces.space import Config

LIMIT = Constraint("flops", "<=", 0.5)


class Line:
    """Three epochs of ten seconds; everything is as good as it costs."""

    space = SearchSpace.of(x=Float(0.0, 1.0))
    objectives = (Objective("miou", "maximize"), Objective("flops", "minimize"))
    max_epochs = 3
    reference_point: Mapping[str, float] = {"miou": 0.0, "flops": 1.1}
    full_training_seconds = 30.0

    def known(self, config: Config) -> dict[str, float]:
        return {"flops": float(config["x"])}

    def curve(self, config: Config, seed: int) -> tuple[list[float], list[float]]:
        del seed
        return [float(config["x"]) * epoch / 3 for epoch in (1, 2, 3)], [10.0, 20.0, 30.0]


def run(
    gate: CostGate | None = None, stagnation: Stagnation | None = None, trials: int = 20
) -> SeedResult:
    line = Line()
    problem = SearchProblem(space=line.space, objectives=line.objectives, known_cost=line.known)
    clockwork = Clockwork(
        line,
        make_searcher("random", problem),
        make_scheduler("none", problem),
        seed=0,
        gate=gate,
        stagnation=stagnation,
    )
    return clockwork.run(workers=2, seconds=1e9, max_trials=trials)


def test_what_the_gate_settles_costs_nothing_and_is_not_counted() -> None:
    gated = run(CostGate((LIMIT,), Line().known))
    assert (gated.started, gated.completed, gated.virtual_seconds) == (20, 20, 300.0)
    assert gated.hypervolume < run().hypervolume


def test_a_gate_that_settles_everything_ends_the_sweep() -> None:
    never = CostGate((Constraint("flops", "<", 0.0),), Line().known)
    assert run(never).started == 0


def test_a_front_that_no_longer_grows_ends_the_proposals() -> None:
    patient = Stagnation(Line().objectives, patience=10)
    stopped = run(stagnation=patient, trials=500)
    assert stopped.started < 500
    assert stopped.completed == stopped.started
