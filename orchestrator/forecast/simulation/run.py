"""Simulated sweeps by the names of their parts."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from orchestrator.forecast.simulation.benchmark import BenchmarkError, known_of, objectives_of
from orchestrator.forecast.simulation.clockwork import Clockwork
from orchestrator.forecast.simulation.load import loaded_benchmark
from orchestrator.forecast.simulation.occupancy import FREE
from orchestrator.forecast.simulation.result import SimulationResult
from orchestrator.search.schedulers.registry import make_scheduler
from orchestrator.search.searchers.problem import SearchProblem
from orchestrator.search.searchers.registry import make_searcher
from orchestrator.spec.strategies import DEFAULT_SCHEDULER, DEFAULT_SEARCHER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.forecast.simulation.benchmark import Benchmark
    from orchestrator.forecast.simulation.occupancy import Overheads
    from orchestrator.forecast.simulation.result import SeedResult


def simulate_one(
    benchmark: Benchmark,
    *,
    searcher: str = DEFAULT_SEARCHER,
    scheduler: str = DEFAULT_SCHEDULER,
    workers: int = 8,
    budget: float = 30,
    seed: int = 0,
    grace_period: int = 1,
    reduction_factor: float = 3,
    max_trials: int | None = None,
    overheads: Overheads = FREE,
    reference_told: bool = True,
) -> SeedResult:
    """Return one simulated sweep.

    Args:
        benchmark: what is searched.
        searcher: one of ``searcher_names()``.
        scheduler: one of ``scheduler_names()``.
        workers: lanes, >= 1.
        budget: lane time in full trainings, summed over the lanes, > 0: each lane runs for
            ``budget * full_training_seconds / workers`` virtual seconds.
        seed: seed of the proposals and of the curves' noise, >= 0.
        grace_period: epochs of the first rung, >= 1.
        reduction_factor: one of so many trials passes a rung, > 1.
        max_trials: trials that may be started, >= 1; None without a limit.
        overheads: what a trial costs besides its training; nothing by default.
        reference_told: tell searcher and scheduler the benchmark's reference point; real sweeps are
            told none.

    Raises:
        ValueError: a name is unknown, a number is out of its range, or the benchmark breaks the
            protocol.
    """
    if not workers >= 1:
        raise ValueError(f"a sweep needs at least 1 worker, got {workers}")
    if not budget > 0:
        raise ValueError(f"the budget must be above 0 full trainings, got {budget}")
    if not benchmark.full_training_seconds > 0:
        raise BenchmarkError(
            f"full_training_seconds must be above 0, got {benchmark.full_training_seconds}"
        )
    problem = benchmark_problem(benchmark, seed=seed)
    if not reference_told:
        problem = replace(problem, reference_point={})
    clockwork = Clockwork(
        benchmark,
        make_searcher(searcher, problem),
        make_scheduler(
            scheduler,
            problem,
            grace_period=grace_period,
            reduction_factor=reduction_factor,
        ),
        seed=seed,
        overheads=overheads,
    )
    return clockwork.run(
        workers=workers,
        seconds=budget * benchmark.full_training_seconds / workers,
        max_trials=max_trials,
    )


def simulate_named(
    seed: int,
    *,
    benchmark: str,
    searcher: str,
    scheduler: str,
    workers: int,
    budget: float,
    overheads: Overheads,
) -> SeedResult:
    """Return one simulated sweep of the benchmark at ``MODULE:ATTRIBUTE``, loaded where this runs.

    The arguments, and what is raised, are those of ``loaded_benchmark`` and ``simulate_one``.
    """
    return simulate_one(
        loaded_benchmark(benchmark),
        searcher=searcher,
        scheduler=scheduler,
        workers=workers,
        budget=budget,
        seed=seed,
        overheads=overheads,
    )


def benchmark_problem(benchmark: Benchmark, *, seed: int) -> SearchProblem:
    """Return what a sweep of ``benchmark`` searches.

    Raises:
        ValueError: the benchmark breaks the protocol, or the seed is negative.
    """
    return SearchProblem(
        space=benchmark.space,
        objectives=objectives_of(benchmark),
        seed=seed,
        max_epochs=benchmark.max_epochs,
        known_cost=partial(known_of, benchmark),
        reference_point=dict(benchmark.reference_point),
    )


def simulate(
    benchmark: Benchmark,
    *,
    searcher: str = DEFAULT_SEARCHER,
    scheduler: str = DEFAULT_SCHEDULER,
    workers: int = 8,
    budget: float = 30,
    seeds: int | Sequence[int] = 10,
) -> SimulationResult:
    """Return the same sweep simulated with each of ``seeds``; a number n means 0 to n - 1.

    The other arguments, and what is raised, are those of ``simulate_one``.
    """
    numbers = range(seeds) if isinstance(seeds, int) else seeds
    return SimulationResult(
        seeds=tuple(
            simulate_one(
                benchmark,
                searcher=searcher,
                scheduler=scheduler,
                workers=workers,
                budget=budget,
                seed=seed,
            )
            for seed in numbers
        )
    )
