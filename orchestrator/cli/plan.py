"""The verb ``plan``: forecast a sweep."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from orchestrator.cli.shared.hints import spec_command
from orchestrator.cli.shared.options import AsJson, Jobs, Overrides, PresetName, SpecFile, examples
from orchestrator.cli.shared.output import (
    count_text,
    print_err,
    print_json,
    print_out,
    print_pairs,
    print_table,
    print_warning,
    seconds_text,
    with_progress,
)

if TYPE_CHECKING:
    from orchestrator.forecast.plan import Range, SweepPlan
    from orchestrator.spec.sweep_spec import SweepSpec

EPILOG = examples(
    "segsweep plan",
    "segsweep plan camvid.yaml --set budget.trials=100",
    "segsweep plan camvid.yaml --gpus 8 --cpus 64 --json",
)

Cpus: TypeAlias = Annotated[
    float | None, typer.Option("--cpus", min=0.1, help="CPU cores; the default is this machine's.")
]
Gpus: TypeAlias = Annotated[
    float | None, typer.Option("--gpus", min=0, help="GPUs; the default is this machine's.")
]


def plan(  # noqa: PLR0917 - the options of a command line
    spec: SpecFile = None,
    preset: PresetName = None,
    overrides: Overrides = None,
    cpus: Cpus = None,
    gpus: Gpus = None,
    jobs: Jobs = None,
    as_json: AsJson = False,
) -> None:
    """Forecast what a sweep will do, without training.

    Prints the size of the search space, sample configurations with their costs, lanes, trials,
    device-hours and hypervolume, each with an 80 % interval from simulated sweeps. Training times
    and scores come from earlier sweeps on the same data, in MLflow and the storage folder, or from
    stated priors. The data set is checked first. The plan is saved, and the report of a sweep of
    the same spec scores it.
    """
    from pathlib import Path

    from orchestrator.forecast.make import make_plan
    from orchestrator.forecast.plan import save_plan, to_mapping
    from orchestrator.forecast.simulation.run import default_jobs
    from orchestrator.search.cost_model import StaticCostModel
    from orchestrator.spec.parse import load_spec, settle_spec
    from orchestrator.tracking.earlier import read_earlier
    from trainables.data.layouts.registry import class_names_of

    settled = settle_spec(load_spec(spec, preset=preset, overrides=overrides or ()))
    images = _images(settled)
    own_cpus, own_gpus = _machine()
    earlier = read_earlier(settled)
    if earlier.tracking_error:
        print_err(f"read only the sweeps of the storage folder: {earlier.tracking_error}")
    made = make_plan(
        settled,
        StaticCostModel(len(class_names_of(settled.data))),
        images=images,
        cpus=own_cpus if cpus is None else cpus,
        gpus=own_gpus if gpus is None else gpus,
        past=earlier.trainings,
        warm_start=earlier.warm_start,
        jobs=jobs or default_jobs(),
        watched=lambda sweeps, total: with_progress(
            sweeps, total=total, doing="simulating", done="simulated", unit="sweeps"
        ),
    )
    path = save_plan(made, Path(settled.storage.root))
    if as_json:
        print_json(to_mapping(made))
    else:
        _print(made, settled)
    print_err(f"saved to {path}")
    if not settled.search.warm_start and any(
        not settled.space.faults(each.config) for each in earlier.trainings
    ):
        print_err("earlier sweeps can warm-start the searcher: --set search.warm_start=true")
    print_err(f"run it: {spec_command('run', spec, overrides or (), preset)}")


def _machine() -> tuple[float, float]:
    import psutil

    from cluster.telemetry.readings import list_gpus

    return float(len(psutil.Process().cpu_affinity() or [0])), float(len(list_gpus()))


def _images(spec: SweepSpec) -> tuple[int, int]:
    """Check the data set and return its numbers of training and validation images.

    Generated scenes are counted without a check.

    Raises:
        DataError: the data set cannot be used; it lists every fault.
    """
    from orchestrator.driver.preparation import check_dataset

    data = spec.data
    if data.format == "synthetic":
        counts = [data.synthetic_train_images, data.synthetic_val_images]
    else:
        print_err("checking the data")
        report = check_dataset(spec, print_warning)
        counts = [report.split("train").images, report.split("val").images]
    limits = (data.max_train_images, data.max_val_images)
    train, val = (min(n, most or n) for n, most in zip(counts, limits, strict=True))
    return train, val


def _print(made: SweepPlan, spec: SweepSpec) -> None:
    forecast = made.forecast
    curve = [(elapsed, _share(volume, made, spec)) for elapsed, volume in forecast.curve]
    size = made.configurations
    infeasible = f"{made.infeasible_share:.0%} of the space breaks a constraint"
    print_pairs(
        [
            ("space", f"{_size(size)} configurations of {len(made.searched)} dimensions"),
            ("cost gate", f"{infeasible} on static costs"),
            ("lanes", f"{made.lanes} of {made.train_workers} train worker(s)"),
            ("trials", f"{_range(forecast.trials)}, at most {made.budget_trials}"),
            *([("baselines", f"{made.baselines} of them, first")] if made.baselines else []),
            *([("warm start", f"{made.warm_trials} earlier trials")] if made.warm_trials else []),
            ("complete", _range(forecast.complete)),
            ("stopped early", _range(forecast.stopped)),
            ("epochs", _range(forecast.epochs)),
            ("device-hours", _range(forecast.device_hours, ".3g")),
            ("wall time", _times(forecast.seconds)),
            (
                "hypervolume",
                f"{_range(_share(forecast.hypervolume, made, spec), '.1%')} of a perfect trial's",
            ),
            ("based on", made.basis),
        ]
    )
    print_out()
    print_table(
        ("configuration", "params", "FLOPs", "latency", "epoch", "cost gate"),
        [
            (
                " ".join(f"{k}={_word(v)}" for k, v in each.config.items() if k in made.searched),
                count_text(each.costs["params"]),
                count_text(each.costs["flops"]),
                f"~{each.costs['latency_ms']:.3g} ms",
                f"~{seconds_text(each.costs['epoch_seconds'])}",
                each.verdict or "-",
            )
            for each in made.samples
        ],
    )
    print_out()
    print_table(
        ("share of the time", "hypervolume", "8 of 10 sweeps"),
        [
            (f"{elapsed:.0%}", f"{share.median:.1%}", f"{share.low:.1%} to {share.high:.1%}")
            for elapsed, share in curve
        ],
    )


def _range(value: Range, form: str = ".0f") -> str:
    return f"{value.median:{form}} ({value.low:{form}} to {value.high:{form}})"


def _share(value: Range, made: SweepPlan, spec: SweepSpec) -> Range:
    """Return a hypervolume as a share of a perfect trial's."""
    from orchestrator.search.pareto import share_of_perfect

    def share(volume: float) -> float:
        return share_of_perfect(volume, spec.objectives, made.reference_point)

    return replace(value, low=share(value.low), median=share(value.median), high=share(value.high))


def _times(value: Range) -> str:
    low, high = seconds_text(value.low), seconds_text(value.high)
    return f"{seconds_text(value.median)} ({low} to {high})"


def _size(value: float) -> str:
    return f"{value:,.0f}" if math.isfinite(value) else "infinitely many"


def _word(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
