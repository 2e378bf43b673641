"""Plan: what a sweep will do, as one value that can be printed, kept, scored."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cluster.resources import gpus_per_worker, plan_lanes
from orchestrator.gate import CostGate
from orchestrator.pareto import default_reference_point
from orchestrator.planning.beliefs import Setting, believe, cost_row
from orchestrator.planning.forecast import Forecast, Range, forecast
from orchestrator.spec.dump import spec_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from orchestrator.planning.beliefs import Beliefs
    from orchestrator.planning.experience import Experience
    from orchestrator.spec.sweep_spec import SweepSpec
    from search_spaces.domains import Value
    from search_spaces.space import Config

FILE = "plan.json"
"""Name of a plan among a sweep's files."""
SAMPLES = 40
"""Configurations drawn for the costs of the space."""
SHOWN = 5
"""Those of them that are shown, from the cheapest to the dearest."""
WORK = 400
"""Simulated trials in all, about."""
STATIC = ("params", "macs", "flops", "bops")


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """A configuration of the space with what it costs."""

    config: Mapping[str, Value]
    costs: Mapping[str, float]
    """Static costs as they are, ``latency_ms`` and ``epoch_seconds`` as they are expected."""
    verdict: str | None = None
    """Why the cost gate would settle it by its static costs; None where it would not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepPlan:
    """What a sweep will do."""

    spec_digest: str
    """``spec_digest`` of the spec."""
    configurations: float
    """Size of the space; may be infinite."""
    searched: tuple[str, ...]
    """Dimensions with more than one value."""
    samples: tuple[Sample, ...]
    """Some configurations, the cheapest first."""
    infeasible_share: float
    """Share of the space that breaks a constraint on static costs, [0, 1], estimated."""
    lanes: int
    """Trials at the same time, >= 1."""
    train_workers: int
    """Train workers of each, >= 1."""
    budget_trials: int
    """Trials that are trained at most."""
    baselines: int = 0
    """Those of them that are baselines, which come first."""
    reference_point: Mapping[str, float]
    """Where the hypervolume is measured from; objectives without a forecast are left out."""
    basis: str
    """Where the forecast comes from, in words."""
    forecast: Forecast
    """What the sweep is expected to do."""


def make_plan(
    spec: SweepSpec,
    static: Callable[[Config], Mapping[str, float]],
    *,
    images: tuple[int, int],
    cpus: float,
    gpus: float,
    past: Sequence[Experience] = (),
) -> SweepPlan:
    """Return what ``spec`` will do; the same for the same arguments.

    Args:
        spec: The sweep.
        static: Costs of a configuration that need no measurement.
        images: Training and validation images.
        cpus: CPU cores of all machines.
        gpus: GPUs of all machines.
        past: Trainings of earlier sweeps on the same data.

    Raises:
        ResourceError: not one lane fits, or fewer than the spec asks for.
    """
    resources = spec.resources
    lanes = plan_lanes(resources, available_cpus=cpus, available_gpus=gpus)
    each_gpu = gpus_per_worker(resources, available_gpus=gpus)
    devices = each_gpu if each_gpu > 0 else resources.cpus_per_worker
    setting = Setting(
        epochs=spec.budget.epochs,
        train_images=images[0],
        val_images=images[1],
        devices=devices * resources.train_workers,
        on_gpu=each_gpu > 0,
        target_threads=spec.target.threads,
    )
    beliefs = believe(spec.space, static, setting, past)
    samples = _samples(spec, beliefs)
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
        reference_point=reference,
        basis=beliefs.basis,
        forecast=forecast(
            spec,
            beliefs,
            objectives,
            reference,
            lanes=lanes,
            simulations=min(32, max(5, WORK // spec.budget.trials)),
        ),
    )


def spec_digest(spec: SweepSpec) -> str:
    """Return 16 hex digits that are equal for specs which do the same."""
    settings = spec_settings(spec)
    for place in ("name", "storage", "tracking"):
        del settings[place]
    text = json.dumps(settings, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def to_mapping(plan: SweepPlan) -> dict[str, object]:
    """Return the plan as JSON types; an infinite size is null."""
    size = plan.configurations
    return {**asdict(plan), "configurations": size if math.isfinite(size) else None}


def from_mapping(values: Mapping[str, object]) -> SweepPlan:
    """Return the plan that ``to_mapping`` wrote.

    Raises:
        TypeError, KeyError: it is no such plan.
    """
    given = json.loads(json.dumps(values))
    found = given.pop("forecast")
    curve = tuple((share, Range(**value)) for share, value in found.pop("curve"))
    simulations = found.pop("simulations")
    ranges = {name: Range(**value) for name, value in found.items()}
    size = given.pop("configurations")
    return SweepPlan(
        configurations=math.inf if size is None else size,
        searched=tuple(given.pop("searched")),
        samples=tuple(Sample(**each) for each in given.pop("samples")),
        forecast=Forecast(simulations=simulations, curve=curve, **ranges),
        **given,
    )


def save_plan(plan: SweepPlan, root: Path) -> Path:
    """Keep the plan below the storage root, for the sweep that will run the same spec."""
    path = _place(root, plan.spec_digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(to_mapping(plan), indent=1, allow_nan=False), encoding="utf-8")
    return path


def adopt_plan(spec: SweepSpec, root: Path, folder: Path) -> bool:
    """Copy the plan that was made of ``spec``, if any, to the sweep's folder; say whether."""
    kept = _place(root, spec_digest(spec))
    if not kept.is_file():
        return False
    (folder / FILE).write_bytes(kept.read_bytes())
    return True


def load_plan(folder: Path) -> SweepPlan | None:
    """Return the plan of the sweep in ``folder``; None where none can be read."""
    try:
        return from_mapping(json.loads((folder / FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _place(root: Path, digest: str) -> Path:
    return Path(root) / "plans" / f"{digest}.json"


def _samples(spec: SweepSpec, beliefs: Beliefs) -> list[Sample]:
    rng = np.random.default_rng((spec.search.seed, 11))
    gate = CostGate(spec.constraints, beliefs.static)
    found = []
    for _ in range(SAMPLES):
        config = spec.space.sample(rng)
        static = dict(beliefs.static(config))
        row = np.array(cost_row(static["macs"]))
        costs = {
            **static,
            "latency_ms": math.exp(float(row @ beliefs.latency.mean)),
            "epoch_seconds": math.exp(float(row @ beliefs.seconds.mean)),
        }
        found.append(Sample(config=config, costs=costs, verdict=gate.judge(static)))
    return sorted(found, key=lambda each: each.costs["macs"])
