"""Simulated sweeps of benchmarks."""

from __future__ import annotations

import math
import sys
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import joblib  # type: ignore[import-untyped]
import numpy as np
from joblib.externals.loky import get_reusable_executor  # type: ignore[import-untyped]

from orchestrator.forecast.simulation.benchmark import (
    BenchmarkError,
    curve_of,
    known_of,
    loaded_benchmark,
    measured_of,
    objectives_of,
)
from orchestrator.forecast.simulation.outcome import OutcomeRecorder, SimulationResult
from orchestrator.lanes.simulated import FREE, SimulatedLanes, SimulatedTraining
from orchestrator.search.searchers.base import SearchProblem
from orchestrator.spec.sweep_spec import (
    DEFAULT_SCHEDULER,
    DEFAULT_SEARCHER,
    SearchConfig,
    SweepBudget,
)
from orchestrator.sweep.make import SweepSetup, make_sweep
from search_spaces.space import config_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from orchestrator.forecast.simulation.benchmark import Benchmark
    from orchestrator.forecast.simulation.outcome import SeedResult
    from orchestrator.lanes.simulated import Overheads
    from orchestrator.ledger.events import TrialAsked
    from orchestrator.search.schedulers.base import Scheduler
    from orchestrator.search.searchers.base import Searcher
    from orchestrator.sweep.sweep import SweepListener


class BenchmarkTrainings:
    """Returns the training of each trial; the same for the same configuration and seed."""

    def __init__(self, benchmark: Benchmark, *, seed: int, learned: str | None = None) -> None:
        """Take the benchmark.

        Args:
            benchmark: What is searched.
            seed: Seed of the curves' noise, >= 0.
            learned: Name of the metric that ``curve`` returns; the first objective where None.

        Raises:
            ValueError: The objectives break the protocol.
        """
        names = [objective.name for objective in objectives_of(benchmark)]
        self._benchmark = benchmark
        self._seed = seed
        self._learned = names[0] if learned is None else learned
        self._costs = tuple(name for name in names if name != self._learned)

    def __call__(self, asked: TrialAsked) -> SimulatedTraining:
        """Return the training of a trial.

        Raises:
            BenchmarkError: The benchmark raises an error or breaks the protocol.
        """
        config = asked.config
        known, measured = known_of(self._benchmark, config), measured_of(self._benchmark, config)
        missing = [name for name in self._costs if name not in known and name not in measured]
        if missing:
            raise BenchmarkError(
                f"known() and measured() together must return every objective but "
                f"{self._learned}; {', '.join(missing)} is missing for {config}"
            )
        noise = np.random.SeedSequence((self._seed, int(config_digest(config), 16)))
        values, durations = curve_of(self._benchmark, config, int(noise.generate_state(1)[0]))
        measurement = self._measurement_seconds(durations[0]) if measured else 0.0
        return SimulatedTraining(
            epochs=[{self._learned: value} for value in values.tolist()],
            seconds=[float(durations[0]) - measurement, *durations[1:].tolist()],
            known=known,
            measured=measured,
            measurement_seconds=measurement,
        )

    def _measurement_seconds(self, first_epoch: float) -> float:
        seconds = float(getattr(self._benchmark, "measurement_seconds", 0.0))
        if not 0 <= seconds <= first_epoch:
            raise BenchmarkError(
                f"measurement_seconds must be part of the first epoch's {first_epoch:g} s, "
                f"got {seconds:g}"
            )
        return seconds


T = TypeVar("T")
R = TypeVar("R")


def default_jobs() -> int:
    """Return the number of CPU cores that this process may use."""
    return int(joblib.cpu_count())


def results_in_order(
    function: Callable[[T], R], items: Iterable[T], *, jobs: int = 1
) -> Iterator[R]:
    """Yield what ``function`` returns for each item, in their order, as soon as it is there.

    What it raises is raised here, and ends all. With one job everything happens in this process;
    others are started in the current folder, and end with the last result.

    Args:
        function: Called with one item; with several jobs it goes to other processes by pickle.
        items: Finitely many.
        jobs: Calls at the same time, >= 1.
    """
    if jobs == 1:
        yield from map(function, items)
        return
    parallel = joblib.Parallel(n_jobs=jobs, return_as="generator")
    try:
        yield from parallel(joblib.delayed(function)(item) for item in items)
    finally:
        get_reusable_executor(reuse=True).shutdown(wait=True, kill_workers=True)


def benchmark_setup(
    benchmark: Benchmark,
    *,
    searcher: str = DEFAULT_SEARCHER,
    scheduler: str = DEFAULT_SCHEDULER,
    seed: int = 0,
    grace_period: int = 1,
    reduction_factor: float = 3,
    max_trials: int | None = None,
    with_reference_point: bool = True,
) -> SweepSetup:
    """Return the set-up of a sweep of ``benchmark``, without constraints.

    Args:
        benchmark: What is searched.
        searcher: One of ``searcher_names()``.
        scheduler: One of ``scheduler_names()``.
        seed: Seed of the proposals, >= 0.
        grace_period: Epochs of the first rung, >= 1.
        reduction_factor: One of so many trials passes a rung, > 1.
        max_trials: Trials that may be started, >= 1; None without a limit.
        with_reference_point: Whether searcher and scheduler get the benchmark's reference point;
            real sweeps have none.

    Raises:
        ValueError: The benchmark breaks the protocol, or the seed is negative.
    """
    return SweepSetup(
        problem=SearchProblem(
            space=benchmark.space,
            objectives=objectives_of(benchmark),
            seed=seed,
            max_epochs=benchmark.max_epochs,
            known_cost=partial(known_of, benchmark),
            reference_point=dict(benchmark.reference_point) if with_reference_point else {},
        ),
        search=SearchConfig(
            searcher=searcher,
            scheduler=scheduler,
            grace_period=grace_period,
            reduction_factor=reduction_factor,
            cost_gate="constraints",
        ),
        budget=SweepBudget(
            trials=sys.maxsize if max_trials is None else max_trials, epochs=benchmark.max_epochs
        ),
    )


def simulate_setup(
    benchmark: Benchmark,
    setup: SweepSetup,
    *,
    workers: int = 8,
    budget: float = math.inf,
    overheads: Overheads = FREE,
    searcher: Searcher | None = None,
    scheduler: Scheduler | None = None,
    listeners: Sequence[SweepListener] = (),
) -> SeedResult:
    """Return one simulated sweep.

    Args:
        benchmark: What is searched; the noise of its curves has the seed of the set-up's problem.
        setup: How it is searched.
        workers: Lanes, >= 1.
        budget: Lane time in full trainings, summed over the lanes, > 0: the sweep is cut after
            ``budget * full_training_seconds / workers`` virtual seconds.
        overheads: What a trial costs besides its training; nothing by default.
        searcher: In place of the set-up's.
        scheduler: In place of the set-up's.
        listeners: Receive every event.

    Raises:
        ValueError: A name is unknown, a number is out of its range, or the benchmark breaks the
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
    trainings = BenchmarkTrainings(benchmark, seed=setup.problem.seed)
    lanes = SimulatedLanes(trainings, lanes=workers, overheads=overheads)
    outcome = OutcomeRecorder(setup.problem.objectives, benchmark.reference_point)
    sweep = make_sweep(
        setup,
        journal=[],
        clock=lanes.clock,
        listeners=[lanes, outcome, *listeners],
        searcher=searcher,
        scheduler=scheduler,
    )
    seconds = lanes.run(sweep, until=budget * benchmark.full_training_seconds / workers)
    return outcome.result(seconds, lanes.occupancy)


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
    with_reference_point: bool = True,
) -> SeedResult:
    """Return one simulated sweep by the names of its searcher and scheduler.

    The arguments, and what is raised, are those of ``benchmark_setup`` and ``simulate_setup``.
    """
    setup = benchmark_setup(
        benchmark,
        searcher=searcher,
        scheduler=scheduler,
        seed=seed,
        grace_period=grace_period,
        reduction_factor=reduction_factor,
        max_trials=max_trials,
        with_reference_point=with_reference_point,
    )
    return simulate_setup(benchmark, setup, workers=workers, budget=budget, overheads=overheads)


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
