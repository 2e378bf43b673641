"""The verbs ``run`` and ``resume``: drive a sweep to its Pareto front."""

# ruff: noqa: PLC0415 - what is heavy is imported where it is used

from __future__ import annotations

import signal
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from orchestrator.cli.options import (
    AsJson,
    Overrides,
    PresetName,
    SpecFile,
    StorageRoot,
    examples,
)
from orchestrator.cli.output import say, tell
from orchestrator.cli.report import SweepName, print_report
from orchestrator.cli.sweeps import storage_root

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from orchestrator.folders import SweepFolder
    from orchestrator.launch import Launched
    from orchestrator.spec.sweep_spec import SweepSpec

RUN_EPILOG = examples(
    "segsweep run",
    "segsweep run camvid.yaml --set data.root=/data/camvid",
    "segsweep run camvid.yaml --preset kim --set 'constraints=[latency_ms <= 20]'",
    "segsweep run --set resources.train_workers=2 --json > result.json",
)
RESUME_EPILOG = examples("segsweep resume", "segsweep resume demo-20260131-120000")
INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""

Name: TypeAlias = Annotated[
    str | None,
    typer.Option("--name", show_default=False, help="Name of the sweep instead of the file's."),
]


def register(app: typer.Typer) -> None:
    """Add the verbs to the command."""
    app.command("run", epilog=RUN_EPILOG)(run)
    app.command("resume", epilog=RESUME_EPILOG)(resume)


def run(
    spec: SpecFile = None,
    preset: PresetName = None,
    overrides: Overrides = None,
    name: Name = None,
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Run a sweep and print its Pareto front.

    The data is checked first. Progress goes to standard error, the result to standard output.
    Ctrl-C stops cleanly and says how to go on; a second one leaves at once.
    """
    from orchestrator.spec.parse import load_spec

    parsed = load_spec(spec, preset=preset, overrides=overrides or ())
    _drive(parsed if name is None else replace(parsed, name=name), None, as_json=as_json)


def resume(
    sweep: SweepName = None,
    storage: StorageRoot = None,
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Go on with a sweep that was stopped.

    What is trained is not trained again, and no trial is lost or doubled.
    """
    from orchestrator.folders import find_sweep
    from orchestrator.spec.parse import load_spec

    folder = find_sweep(storage_root(storage), sweep)
    _drive(load_spec(folder.spec), folder, as_json=as_json)


def _drive(spec: SweepSpec, folder: SweepFolder | None, *, as_json: bool) -> None:
    from orchestrator.cli.live_table import show
    from orchestrator.engine import RunHooks
    from orchestrator.launch import launch
    from orchestrator.live import LiveModel

    model = LiveModel(
        trials=spec.budget.trials, epochs=spec.budget.epochs, objectives=spec.objectives
    )
    with show(model) as screen, stop_on_interrupt(screen.stage) as stop_requested:
        hooks = RunHooks(stage=screen.stage, stop_requested=stop_requested, listeners=(screen,))
        launched = launch(spec, hooks=hooks, folder=folder)
    _print(launched, as_json=as_json)
    if launched.interrupted and stop_requested():
        raise typer.Exit(INTERRUPTED)


def _print(launched: Launched, *, as_json: bool) -> None:
    from orchestrator.report.text import to_json

    if as_json:
        say(to_json(launched.report))
    else:
        print_report(launched.report, launched.files)
        say(f"sweep {launched.folder.path}")
        say(f"look at it: segsweep ui {launched.folder.sweep_id}")
    for problem in launched.problems:
        tell(f"warning: {problem}")
    if launched.interrupted:
        tell(f"stopped early; go on with: segsweep resume {launched.folder.sweep_id}")


@contextmanager
def stop_on_interrupt(say_stage: Callable[[str], None]) -> Iterator[Callable[[], bool]]:
    """Yield the question whether Ctrl-C (or SIGTERM) asked for an end; a second one raises."""
    asked = False

    def handle(_signal: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        say_stage("stopping; Ctrl-C again leaves at once")

    before = {each: signal.signal(each, handle) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
