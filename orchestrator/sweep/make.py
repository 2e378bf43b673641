"""Make a sweep from what it searches and the rules that its spec names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.search.baselines import scheduler_with_baselines, searcher_with_baselines
from orchestrator.search.gate import CostGate, DominatedBound
from orchestrator.search.schedulers.registry import make_scheduler
from orchestrator.search.searchers.base import SearchProblem
from orchestrator.search.searchers.registry import make_searcher
from orchestrator.spec.baselines import names_by_digest
from orchestrator.sweep.sweep import Sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.ledger.ledger import Journal
    from orchestrator.search.schedulers.base import Scheduler
    from orchestrator.search.searchers.base import Searcher
    from orchestrator.spec.baselines import Baseline
    from orchestrator.spec.objectives import Objective
    from orchestrator.spec.sweep_spec import SearchConfig, SweepBudget, SweepSpec
    from orchestrator.sweep.sweep import SweepListener
    from search_spaces.space import Config

    Costs = Callable[[Config], Mapping[str, float]]


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepSetup:
    """What a sweep searches, and the names and settings of its rules."""

    problem: SearchProblem
    """Space, objectives, constraints, static costs, seed."""
    search: SearchConfig
    """Names of searcher, scheduler and cost gate, with their settings."""
    budget: SweepBudget
    """When nothing more is proposed."""
    baselines: Sequence[Baseline] = ()
    """Configurations that are proposed first and never stopped."""
    workers_per_trial: int = 1
    """Workers of a lane, >= 1."""

    def searcher(self) -> Searcher:
        """Return a new searcher, which proposes the baselines first."""
        searcher = make_searcher(self.search.searcher, self.problem)
        return searcher_with_baselines(searcher, self.baselines, self.problem.space)

    def scheduler(self) -> Scheduler:
        """Return a new scheduler, which stops no baseline."""
        scheduler = make_scheduler(
            self.search.scheduler,
            self.problem,
            grace_period=self.search.grace_period,
            reduction_factor=self.search.reduction_factor,
        )
        return scheduler_with_baselines(scheduler, self.baselines)

    def gate(self) -> CostGate:
        """Return a new cost gate, which exempts the baselines from the dominated bound."""
        problem, bound = self.problem, None
        if self.search.cost_gate == "full":
            exempt = names_by_digest(self.baselines)
            bound = DominatedBound(problem.space, problem.objectives, exempt=exempt)
        return CostGate(problem.constraints, problem.known_cost or _no_costs, bound)


def setup_of(
    spec: SweepSpec,
    costs: Costs,
    *,
    objectives: Sequence[Objective] | None = None,
    seed: int | None = None,
    earlier: Sequence[SweepEvent] = (),
) -> SweepSetup:
    """Return the set-up of a sweep of ``spec``.

    Args:
        spec: The sweep.
        costs: Static costs of a configuration.
        objectives: Those of a simulation; those of the spec where None.
        seed: Seed of the proposals; that of the spec where None.
        earlier: Events of earlier sweeps' trials that searcher and scheduler learn from first.
    """
    return SweepSetup(
        problem=SearchProblem(
            space=spec.space,
            objectives=tuple(spec.objectives if objectives is None else objectives),
            seed=spec.search.seed if seed is None else seed,
            max_epochs=spec.budget.epochs,
            trials=spec.budget.trials,
            constraints=tuple(spec.constraints),
            known_cost=costs,
            earlier=earlier,
        ),
        search=spec.search,
        budget=spec.budget,
        baselines=spec.baselines,
        workers_per_trial=spec.resources.train_workers,
    )


def make_sweep(
    setup: SweepSetup,
    *,
    journal: Journal,
    clock: Callable[[], float],
    listeners: Iterable[SweepListener] = (),
    searcher: Searcher | None = None,
    scheduler: Scheduler | None = None,
) -> Sweep:
    """Return a sweep that has no trial yet; every sweep, real or simulated, is made here.

    Args:
        setup: What it searches and by which rules.
        journal: Where its events are recorded; a list does in a simulation.
        clock: Returns the time since the sweep began, seconds.
        listeners: Receive every event.
        searcher: In place of the one that the set-up names.
        scheduler: In place of the one that the set-up names.
    """
    return Sweep(
        objectives=setup.problem.objectives,
        budget=setup.budget,
        searcher=searcher or setup.searcher(),
        scheduler=scheduler or setup.scheduler(),
        gate=setup.gate(),
        journal=journal,
        clock=clock,
        workers_per_trial=setup.workers_per_trial,
        listeners=listeners,
        baselines=names_by_digest(setup.baselines),
    )


def _no_costs(_: Config) -> Mapping[str, float]:
    return {}
