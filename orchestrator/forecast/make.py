"""Make the plan of a sweep from its spec and from earlier trainings."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from cluster.capacity.resources import gpus_per_worker, plan_lanes
from orchestrator.forecast.forecast import forecast
from orchestrator.forecast.plan import Sample, SweepPlan, spec_digest
from orchestrator.forecast.training_model import TrainingSetting, cost_row, fit_training_model
from orchestrator.ledger.history.warm_start import WarmStart
from orchestrator.search.gate import CostGate
from orchestrator.search.pareto import default_reference_point

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from orchestrator.forecast.forecast import Watched
    from orchestrator.forecast.training_model import TrainingModel
    from orchestrator.ledger.history.trainings import EarlierTraining
    from orchestrator.spec.sweep_spec import SweepSpec
    from search_spaces.space import Config

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
