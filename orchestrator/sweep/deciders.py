"""What decides in a sweep, as its spec names it: searcher, scheduler, gate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.search.baselines import scheduler_with_baselines, searcher_with_baselines
from orchestrator.search.dominated_bound import DominatedBound
from orchestrator.search.gate import CostGate
from orchestrator.search.schedulers.registry import make_scheduler
from orchestrator.search.searchers.problem import SearchProblem
from orchestrator.search.searchers.registry import make_searcher
from orchestrator.spec.baselines.baseline import names_by_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.search.schedulers.base import Scheduler
    from orchestrator.search.searchers.base import Searcher
    from orchestrator.spec.objectives import Objective
    from orchestrator.spec.sweep_spec import SweepSpec
    from search_spaces.space import Config

    Costs = Callable[[Config], Mapping[str, float]]


def problem_of(
    spec: SweepSpec,
    costs: Costs,
    *,
    objectives: Sequence[Objective] | None = None,
    seed: int | None = None,
    earlier: Sequence[SweepEvent] = (),
) -> SearchProblem:
    """Return what a sweep of ``spec`` searches; its trials show what costs count.

    Args:
        spec: The sweep.
        costs: What is known of a configuration before it is trained.
        objectives: As a simulation has them; those of the spec where None.
        seed: Of the random choices; that of the spec where None.
        earlier: Events of earlier sweeps' trials that searcher and scheduler learn from first.
    """
    return SearchProblem(
        space=spec.space,
        objectives=tuple(spec.objectives if objectives is None else objectives),
        seed=spec.search.seed if seed is None else seed,
        max_epochs=spec.budget.epochs,
        trials=spec.budget.trials,
        constraints=tuple(spec.constraints),
        known_cost=costs,
        earlier=earlier,
    )


def searcher_of(spec: SweepSpec, problem: SearchProblem) -> Searcher:
    """Return the searcher as a sweep of ``spec`` begins with it; baselines come first."""
    searcher = make_searcher(spec.search.searcher, problem)
    return searcher_with_baselines(searcher, spec.baselines, spec.space)


def scheduler_of(spec: SweepSpec, problem: SearchProblem) -> Scheduler:
    """Return the scheduler as a sweep of ``spec`` begins with it; it stops no baseline."""
    scheduler = make_scheduler(
        spec.search.scheduler,
        problem,
        grace_period=spec.search.grace_period,
        reduction_factor=spec.search.reduction_factor,
    )
    return scheduler_with_baselines(scheduler, spec.baselines)


def gate_of(spec: SweepSpec, costs: Costs, objectives: Sequence[Objective]) -> CostGate:
    """Return the cost gate of ``spec``, whose dominated bound exempts the baselines."""
    dominated_bound = None
    if spec.search.cost_gate == "full":
        exempt = names_by_digest(spec.baselines)
        dominated_bound = DominatedBound(spec.space, objectives, exempt=exempt)
    return CostGate(spec.constraints, costs, dominated_bound)
