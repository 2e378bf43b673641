"""Make the plan of a sweep from its spec, earlier trainings and simulated sweeps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from cluster.capacity.resources import gpus_per_worker, plan_lanes
from orchestrator.forecast.plan import Forecast, Range, Sample, SweepPlan, spec_digest
from orchestrator.forecast.simulation.outcome import OutcomeRecorder
from orchestrator.forecast.simulation.run import BenchmarkTrainings, results_in_order
from orchestrator.forecast.training_model import (
    SampledBenchmark,
    TrainingSetting,
    cost_row,
    fit_training_model,
)
from orchestrator.lanes.simulated import SimulatedLanes
from orchestrator.ledger.warm_start import WarmStart
from orchestrator.search.gate import CostGate
from orchestrator.search.pareto import default_reference_point
from orchestrator.sweep.make import make_sweep, setup_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from orchestrator.forecast.simulation.outcome import SeedResult
    from orchestrator.forecast.training_model import TrainingModel
    from orchestrator.ledger.events import SweepEvent
    from orchestrator.ledger.history import EarlierTraining
    from orchestrator.spec.objectives import Objective
    from orchestrator.spec.sweep_spec import SweepSpec
    from search_spaces.space import Config

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


SAMPLES = 40
"""Configurations drawn for the costs of the space."""
SHOWN = 5
"""Those of them that are shown, from the cheapest to the most expensive."""
SIMULATED_TRIALS = 400
"""Simulated trials of all sweeps together, about."""
NOTHING = WarmStart()
STATIC = ("params", "macs", "flops", "bops")


def make_plan(
    spec: SweepSpec,
    static: Callable[[Config], Mapping[str, float]],
    *,
    images: tuple[int, int],
    cpus: float,
    gpus: float,
    past: Sequence[EarlierTraining] = (),
    warm_start: WarmStart = NOTHING,
    simulated_trials: int = SIMULATED_TRIALS,
    jobs: int = 1,
    watched: Watched | None = None,
) -> SweepPlan:
    """Return the plan of ``spec``; the same for the same arguments.

    Args:
        spec: The sweep.
        static: Costs of a configuration that need no measurement.
        images: Training and validation images.
        cpus: CPU cores of all machines.
        gpus: GPUs of all machines.
        past: Trainings of earlier sweeps on the same data.
        warm_start: What searcher and scheduler know of them from the start.
        simulated_trials: Trials of all simulated sweeps together, about; of 5 to 32 sweeps.
        jobs: Sweeps that are simulated at the same time, >= 1.
        watched: Iterates over the simulated sweeps, with their number, to show progress.

    Raises:
        ResourceError: not one lane fits, or fewer than the spec asks for.
    """
    resources = spec.resources
    lanes = plan_lanes(resources, available_cpus=cpus, available_gpus=gpus)
    each_gpu = gpus_per_worker(resources, available_gpus=gpus)
    devices = each_gpu if each_gpu > 0 else resources.cpus_per_worker
    setting = TrainingSetting(
        epochs=spec.budget.epochs,
        train_images=images[0],
        val_images=images[1],
        devices=devices * resources.train_workers,
        on_gpu=each_gpu > 0,
        target_threads=spec.target.threads,
    )
    model = fit_training_model(spec.space, static, setting, past)
    samples = _samples(spec, model)
    objectives = [o for o in spec.objectives if o.name in {*STATIC, "latency_ms", "miou"}]
    points = [[{**each.costs, "miou": 0.0}[o.name] for o in objectives] for each in samples]
    reference = default_reference_point(points, objectives)
    chosen = np.linspace(0, len(samples) - 1, min(SHOWN, len(samples))).round().astype(int)
    return SweepPlan(
        spec_digest=spec_digest(spec),
        configurations=spec.space.count(),
        searched=spec.space.searched,
        samples=tuple(samples[index] for index in chosen),
        infeasible_share=sum(each.verdict is not None for each in samples) / len(samples),
        lanes=lanes,
        train_workers=resources.train_workers,
        budget_trials=spec.budget.trials,
        baselines=len(spec.baselines),
        warm_trials=warm_start.trials,
        reference_point=reference,
        basis=model.basis,
        forecast=forecast(
            spec,
            model,
            objectives,
            reference,
            lanes=lanes,
            simulations=min(32, max(5, simulated_trials // spec.budget.trials)),
            earlier=warm_start.events,
            jobs=jobs,
            watched=watched,
        ),
    )


def _samples(spec: SweepSpec, model: TrainingModel) -> list[Sample]:
    rng = np.random.default_rng((spec.search.seed, 11))
    gate = CostGate(spec.constraints, model.static)
    found = []
    for _ in range(SAMPLES):
        config = spec.space.sample(rng)
        static = dict(model.static(config))
        row = np.array(cost_row(static["macs"]))
        costs = {
            **static,
            "latency_ms": math.exp(float(row @ model.latency.mean)),
            "epoch_seconds": math.exp(float(row @ model.seconds.mean)),
        }
        found.append(Sample(config=config, costs=costs, verdict=gate.judge(static)))
    return sorted(found, key=lambda each: each.costs["macs"])
