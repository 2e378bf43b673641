"""The verb ``plan``: what a sweep will do."""

# ruff: noqa: PLC0415 - what is heavy is imported where it is used

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from orchestrator.cli.shared.hints import spec_command
from orchestrator.cli.shared.options import AsJson, Jobs, Overrides, PresetName, SpecFile, examples
from orchestrator.cli.shared.output import (
    count_text,
    say,
    say_json,
    say_pairs,
    say_table,
    seconds_text,
    shown,
    tell,
    warning,
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
    float | None,
    typer.Option("--cpus", min=0.1, show_default=False, help="CPU cores; those of this machine."),
]
Gpus: TypeAlias = Annotated[
    float | None,
    typer.Option("--gpus", min=0, show_default=False, help="GPUs; those of this machine."),
]


def register(app: typer.Typer) -> None:
    """Add the verb to the command."""
    app.command("plan", epilog=EPILOG)(plan)


def plan(  # noqa: PLR0917 - the options of a command line
    spec: SpecFile = None,
    preset: PresetName = None,
    overrides: Overrides = None,
    cpus: Cpus = None,
    gpus: Gpus = None,
    jobs: Jobs = None,
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Say what a sweep will do; nothing is trained.

    The data is checked first, except for scenes that are generated. Size of the space, some
    configurations with their costs, lanes, trials, device-hours, growth of the hypervolume, each
    with an interval from simulated sweeps. What trainings are like comes from earlier sweeps on the
    same data, in MLflow and in the storage folder, from stated guesses where there are none. A warm
    start is simulated, too. The plan is kept, and the report of a sweep that runs the same spec
    says how right it was.
    """
    from pathlib import Path

    from orchestrator.forecast.make import make_plan
    from orchestrator.forecast.plan import save_plan, to_mapping
    from orchestrator.forecast.simulation.parallel import default_jobs
    from orchestrator.search.cost_model import StaticCostModel
    from orchestrator.spec.dump import settle_spec
    from orchestrator.spec.parse import load_spec
    from orchestrator.tracking.earlier import read_earlier
    from trainables.data.layouts.registry import class_names_of

    settled = settle_spec(load_spec(spec, preset=preset, overrides=overrides or ()))
    images = _images(settled)
    own_cpus, own_gpus = _machine()
    earlier = read_earlier(settled)
    if earlier.trouble:
        tell(f"only the sweeps of the storage folder are known: {earlier.trouble}")
    made = make_plan(
        settled,
        StaticCostModel(len(class_names_of(settled.data))),
        images=images,
        cpus=own_cpus if cpus is None else cpus,
        gpus=own_gpus if gpus is None else gpus,
        past=earlier.trainings,
        warm_start=earlier.warm_start,
        jobs=jobs or default_jobs(),
        watched=lambda sweeps, total: shown(
            sweeps, total=total, doing="simulating", done="simulated", unit="sweeps"
        ),
    )
    path = save_plan(made, Path(settled.storage.root))
    if as_json:
        say_json(to_mapping(made))
    else:
        _print(made, settled)
    tell(f"kept in {path}")
    if not settled.search.warm_start and any(
        not settled.space.faults(each.config) for each in earlier.trainings
    ):
        tell("earlier sweeps may teach the searcher: --set search.warm_start=true")
    tell(f"run it: {spec_command('run', spec, overrides or (), preset)}")


def _machine() -> tuple[float, float]:
    import psutil

    from cluster.telemetry.readings import list_gpus

    return float(len(psutil.Process().cpu_affinity() or [0])), float(len(list_gpus()))


def _images(spec: SweepSpec) -> tuple[int, int]:
    """Return the numbers of training and validation images, which are checked.

    Scenes that are to be generated are only counted.

    Raises:
        DataError: the data set cannot be used; every fault is in it.
    """
    from orchestrator.driver.preparation import check_dataset

    data = spec.data
    if data.format == "synthetic":
        found = [data.synthetic_train_images, data.synthetic_val_images]
    else:
        tell("checking the data")
        report = check_dataset(spec, warning)
        found = [report.split("train").images, report.split("val").images]
    limits = (data.max_train_images, data.max_val_images)
    train, val = (min(n, most or n) for n, most in zip(found, limits, strict=True))
    return train, val


def _print(made: SweepPlan, spec: SweepSpec) -> None:
    said = made.forecast
    curve = [(elapsed, _share(volume, made, spec)) for elapsed, volume in said.curve]
    size = made.configurations
    infeasible = f"{made.infeasible_share:.0%} of it break a constraint"
    say_pairs(
        [
            ("space", f"{_size(size)} configurations of {len(made.searched)} dimensions"),
            ("cost gate", f"{infeasible} by what is known before training"),
            ("lanes", f"{made.lanes} of {made.train_workers} train worker(s)"),
            ("trials", f"{_range(said.trials)}, at most {made.budget_trials}"),
            *([("baselines", f"{made.baselines} of them, first")] if made.baselines else []),
            *([("warm start", f"{made.warm_trials} earlier trials")] if made.warm_trials else []),
            ("complete", _range(said.complete)),
            ("stopped early", _range(said.stopped)),
            ("epochs", _range(said.epochs)),
            ("device-hours", _range(said.device_hours, ".3g")),
            ("wall time", _times(said.seconds)),
            (
                "hypervolume",
                f"{_range(_share(said.hypervolume, made, spec), '.1%')} of a perfect trial's",
            ),
            ("based on", made.basis),
        ]
    )
    say()
    say_table(
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
    say()
    say_table(
        ("share of the time", "hypervolume", "8 of 10 sweeps"),
        [
            (f"{elapsed:.0%}", f"{share.median:.1%}", f"{share.low:.1%} to {share.high:.1%}")
            for elapsed, share in curve
        ],
    )


def _range(value: Range, form: str = ".0f") -> str:
    return f"{value.median:{form}} ({value.low:{form}} to {value.high:{form}})"


def _share(value: Range, made: SweepPlan, spec: SweepSpec) -> Range:
    """Return a hypervolume over that of a perfect trial."""
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
