"""Forecast of a sweep from simulated sweeps."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from orchestrator.forecast.plan import Forecast, Range
from orchestrator.forecast.sampled_benchmark import SampledBenchmark
from orchestrator.forecast.simulation.outcome import OutcomeRecorder
from orchestrator.forecast.simulation.parallel import results_in_order
from orchestrator.forecast.simulation.training import BenchmarkTrainings
from orchestrator.lanes.simulated import SimulatedLanes
from orchestrator.sweep.make import make_sweep, setup_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from orchestrator.forecast.simulation.result import SeedResult
    from orchestrator.forecast.training_model import TrainingModel
    from orchestrator.ledger.events import SweepEvent
    from orchestrator.spec.objectives import Objective
    from orchestrator.spec.sweep_spec import SweepSpec

    Watched = Callable[[Iterable["SimulatedSweep"], int], Iterable["SimulatedSweep"]]

INTERVAL = (0.1, 0.5, 0.9)
POINTS = 12
"""Points of the hypervolume's curve."""
LEARNED = "miou"
"""The metric that the curves of a benchmark return."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SimulatedSweep:
    """Figures of one simulated sweep."""

    result: SeedResult
    epochs: int
    """Epochs, over all trials."""
    worker_seconds: float
    """Time in which lanes were busy, summed over them and their workers, seconds."""


def forecast(
    spec: SweepSpec,
    model: TrainingModel,
    objectives: Sequence[Objective],
    reference_point: Mapping[str, float],
    *,
    lanes: int,
    simulations: int,
    earlier: Sequence[SweepEvent] = (),
    jobs: int = 1,
    watched: Watched | None = None,
) -> Forecast:
    """Return the figures of ``simulations`` sweeps of ``spec``, each with a benchmark of its own.

    Every sweep is made and driven as a real one, on virtual lanes.

    Args:
        spec: The planned sweep.
        model: The benchmarks are drawn from it.
        objectives: Those of the spec for which the model has a value.
        reference_point: A value of each; where the hypervolume is measured from.
        lanes: Trials at the same time, >= 1.
        simulations: Number of sweeps, >= 1; their seeds follow that of the spec.
        earlier: Events of earlier sweeps' trials that searcher and scheduler learn from first.
        jobs: Sweeps that are simulated at the same time, >= 1.
        watched: Iterates over the simulated sweeps, with their number, to show progress.
    """
    simulate = partial(
        _simulate,
        spec=spec,
        model=model,
        objectives=objectives,
        reference_point=reference_point,
        lanes=lanes,
        earlier=earlier,
    )
    seeds = range(spec.search.seed, spec.search.seed + simulations)
    sweeps = results_in_order(simulate, seeds, jobs=jobs)
    done = list(sweeps if watched is None else watched(sweeps, simulations))
    results = [each.result for each in done]
    shares = [(place + 1) / POINTS for place in range(POINTS)]
    return Forecast(
        simulations=simulations,
        trials=_range(each.started for each in results),
        complete=_range(each.completed for each in results),
        stopped=_range(each.stopped for each in results),
        epochs=_range(each.epochs for each in done),
        seconds=_range(each.virtual_seconds for each in results),
        device_hours=_range(each.worker_seconds / 3600 for each in done),
        hypervolume=_range(each.hypervolume for each in results),
        curve=tuple(
            (share, _range(each.hypervolume_at(share * each.virtual_seconds) for each in results))
            for share in shares
        ),
    )


def _simulate(
    seed: int,
    *,
    spec: SweepSpec,
    model: TrainingModel,
    objectives: Sequence[Objective],
    reference_point: Mapping[str, float],
    lanes: int,
    earlier: Sequence[SweepEvent],
) -> SimulatedSweep:
    benchmark = SampledBenchmark(model, objectives, reference_point, seed=seed)
    setup = setup_of(
        spec, benchmark.known, objectives=benchmark.objectives, seed=seed, earlier=earlier
    )
    virtual = SimulatedLanes(BenchmarkTrainings(benchmark, seed=seed, learned=LEARNED), lanes=lanes)
    outcome = OutcomeRecorder(benchmark.objectives, benchmark.reference_point)
    sweep = make_sweep(setup, journal=[], clock=virtual.clock, listeners=[virtual, outcome])
    seconds = virtual.run(sweep)
    return SimulatedSweep(
        result=outcome.result(seconds, virtual.occupancy),
        epochs=outcome.epochs,
        worker_seconds=sweep.worker_seconds,
    )


def _range(values: Iterable[float]) -> Range:
    low, median, high = np.quantile(list(values), INTERVAL)
    return Range(low=float(low), median=float(median), high=float(high))
