"""The verbs ``run`` and ``resume``: drive a sweep to its Pareto front."""

# ruff: noqa: PLC0415 - what is heavy is imported where it is used

from __future__ import annotations

import signal
import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeAlias

import typer

from orchestrator.cli.report import SweepName, print_report
from orchestrator.cli.shared.errors import CliError
from orchestrator.cli.shared.exit_codes import INTERRUPTED, NO_RESULT, USER_FAULT
from orchestrator.cli.shared.hints import command
from orchestrator.cli.shared.job_folder import keep_job_folder, leave_job_folder
from orchestrator.cli.shared.options import (
    AsJson,
    MirrorAddress,
    Overrides,
    PresetName,
    SpecFile,
    StorageRoot,
    examples,
    storage_root,
)
from orchestrator.cli.shared.output import say, tell
from orchestrator.cli.shared.pages import print_where

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from orchestrator.driver.launch import RunResult
    from orchestrator.ledger.folders import SweepFolder
    from orchestrator.spec.sweep_spec import SweepSpec

RUN_EPILOG = examples(
    "segsweep run",
    "segsweep run camvid.yaml --set data.root=/data/camvid",
    "segsweep run camvid.yaml --preset kim --set 'constraints=[latency_ms <= 20]'",
    "segsweep run --set resources.train_workers=2 --json > result.json",
)
RESUME_EPILOG = examples(
    "segsweep resume",
    "segsweep resume demo-20260131-120000",
    "segsweep resume demo-20260131-120000 --set resources.address=ray://head:10001",
    "segsweep resume demo-20260131-120000 --from s3://bucket/sweeps --storage /data/runs",
)

Name: TypeAlias = Annotated[
    str | None,
    typer.Option("--name", show_default=False, help="Name of the sweep instead of the file's."),
]

SweepId: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--id",
        metavar="ID",
        show_default=False,
        help="Id of the sweep instead of its name with the time; a sweep that has begun under this "
        "id is gone on with, so that the same command may be run again after a loss.",
    ),
]
Anew: TypeAlias = Annotated[
    bool,
    typer.Option("--new", help="Begin another sweep though one of the same spec is not finished."),
]
SAME_WISH_SECONDS = 2.0
"""A program that starts others passes SIGTERM on: two within this time are one wish."""


def register(app: typer.Typer) -> None:
    """Add the verbs to the command."""
    app.command("run", epilog=RUN_EPILOG)(run)
    app.command("resume", epilog=RESUME_EPILOG)(resume)


def run(  # noqa: PLR0917 - the options of a command line
    spec: SpecFile = None,
    preset: PresetName = None,
    overrides: Overrides = None,
    name: Name = None,
    sweep_id: SweepId = None,
    anew: Anew = False,  # noqa: FBT002
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Run a sweep and print its Pareto front.

    The data is checked first. Progress goes to standard error, the result to standard output.
    Ctrl-C stops cleanly and says how to go on; a second one leaves at once. Where a sweep of the
    same spec is not finished, it is offered to go on with that. A sweep without a complete trial
    exits with 1 and the most frequent reason.
    """
    from pathlib import Path

    from orchestrator.ledger.folders import sweep_of_id
    from orchestrator.spec.parse import load_spec

    keep_job_folder()
    parsed = load_spec(spec, preset=preset, overrides=overrides or ())
    parsed = parsed if name is None else replace(parsed, name=name)
    folder = sweep_of_id(Path(parsed.storage.root), sweep_id) if sweep_id else None
    if folder is not None and folder.spec.exists():
        tell(f"going on with sweep {folder.sweep_id}")
        parsed = load_spec(folder.spec, overrides=overrides or ())  # a new address, for one
    elif folder is None and not anew:
        folder = _offered(parsed)
    _drive(parsed, folder, as_json=as_json)


def resume(
    sweep: SweepName = None,
    storage: StorageRoot = None,
    mirror: MirrorAddress = None,
    overrides: Overrides = None,
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Go on with a sweep that was stopped, or whose driver or machine died.

    What is trained is not trained again, and no trial is lost or doubled. A spec or data set that
    is not the one the sweep began with is refused; --set may change resources.address, lanes,
    shares and where the data set is. With --from it is fetched from its mirror first, on whatever
    machine; what is here already is not fetched again.
    """
    from orchestrator.ledger.folders import find_sweep
    from orchestrator.spec.parse import load_spec

    keep_job_folder()
    root = storage_root(storage)
    if mirror is None:
        folder = find_sweep(root, sweep)
    else:
        from orchestrator.ledger.mirroring.fetch import fetch_sweep

        folder = fetch_sweep(mirror, sweep, root, overrides=overrides or (), say=tell)
    _drive(load_spec(folder.spec, overrides=overrides or ()), folder, as_json=as_json)


def _offered(spec: SweepSpec) -> SweepFolder | None:
    """Return the unfinished sweep of the same spec that the user wants to go on with, if any.

    Raises:
        CliError: there is one, and nobody who could be asked.
    """
    import sys
    from pathlib import Path

    from orchestrator.ledger.identity import unfinished_like
    from orchestrator.spec.dump import settle_spec

    spec = settle_spec(spec)
    found = unfinished_like(Path(spec.storage.root), spec)
    if found is None:
        return None
    if found.is_driven():
        raise CliError(
            f"sweep {found.sweep_id} of the same spec is running now; follow it with "
            f"'{command('report', found)}', or begin another one with 'segsweep run --new'"
        )
    what = f"sweep {found.sweep_id} of the same spec is not finished"
    if not sys.stdin.isatty():
        raise CliError(
            f"{what}; go on with '{command('resume', found)}', or begin another one with "
            "'segsweep run --new'"
        )
    return found if typer.confirm(f"{what}; go on with it?", default=True, err=True) else None


def _drive(spec: SweepSpec, folder: SweepFolder | None, *, as_json: bool) -> None:
    from orchestrator.cli.shared.live_table import show
    from orchestrator.driver.launch import launch
    from orchestrator.report.live import LiveModel
    from orchestrator.report.results import read_reference
    from orchestrator.report.text import common_reason
    from orchestrator.spec.baselines.baseline import names_by_digest
    from orchestrator.sweep.hooks import RunHooks

    leave_job_folder(spec.storage.root)
    model = LiveModel(
        **asdict(spec.budget),
        objectives=spec.objectives,
        workers_per_trial=spec.resources.train_workers,
        baselines=names_by_digest(spec.baselines),
        reference_point=None if folder is None else read_reference(folder, spec.objectives),
    )
    with show(model) as screen, StopSignals(screen.stage) as signals:

        def stage(text: str) -> None:
            signals.arm()  # starting Ray takes SIGTERM away
            screen.stage(text)

        hooks = RunHooks(
            stage=stage, warn=screen.warn, stop_requested=signals.asked, listeners=(screen,)
        )
        result = launch(spec, hooks=hooks, folder=folder)
    _print(result, as_json=as_json)
    if result.interrupted and signals.asked():
        raise typer.Exit(INTERRUPTED)
    if result.trouble is not None:  # disk, lanes or Ray ended the sweep early
        raise typer.Exit(USER_FAULT)
    if not result.interrupted and not result.report.completed:
        tell("error: no trial of the sweep completed")
        if reason := common_reason(result.report):
            tell(f"error: {reason}")
        raise typer.Exit(NO_RESULT)


def _print(result: RunResult, *, as_json: bool) -> None:
    from orchestrator.report.text import to_json
    from orchestrator.spec.parse import load_spec

    if as_json:
        say(to_json(result.report))
    else:
        print_report(result.report, result.files)
        say(f"sweep {result.folder.path}")
        print_where(result.folder, load_spec(result.folder.spec))
    for problem in result.problems:
        tell(f"warning: {problem}")
    if result.trouble is not None:
        tell(f"error: {result.trouble}")
    if result.interrupted:
        tell(f"stopped early; go on with: {command('resume', result.folder)}")


class StopSignals:
    """Turns the first Ctrl-C or SIGTERM into a wish to end; a second one raises at once.

    While the context is open; ``arm`` takes the signals back from a library that took them.
    """

    def __init__(self, say_stage: Callable[[str], None]) -> None:
        self._say_stage = say_stage
        self._before: dict[signal.Signals, Any] = {}
        self._asked: tuple[int, float] | None = None

    def asked(self) -> bool:
        """Whether an end was asked for."""
        return self._asked is not None

    def arm(self) -> None:
        """Hear the signals, whoever does so now."""
        for each in (signal.SIGINT, signal.SIGTERM):
            before = signal.signal(each, self._handle)
            self._before.setdefault(each, before)

    def __enter__(self) -> Self:
        """Begin to hear the signals."""
        self.arm()
        return self

    def __exit__(self, *_: object) -> None:
        """Give the signals back to whoever had them first."""
        for each, handler in self._before.items():
            signal.signal(each, handler)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._asked is not None:
            first, at = self._asked
            if number == first == signal.SIGTERM and now - at < SAME_WISH_SECONDS:
                return
            raise KeyboardInterrupt
        self._asked = (number, now)
        self._say_stage("stopping; Ctrl-C again leaves at once")
