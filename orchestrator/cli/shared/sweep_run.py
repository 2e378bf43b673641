"""Runs a sweep on the terminal: progress, result, exit code."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from orchestrator.cli.shared.errors import INTERRUPTED, NO_RESULT, USER_FAULT
from orchestrator.cli.shared.hints import command
from orchestrator.cli.shared.job_folder import leave_job_folder
from orchestrator.cli.shared.output import print_err, print_out, print_warning
from orchestrator.cli.shared.pages import print_pages_or_command, print_report
from orchestrator.cli.shared.stop_signals import StopSignals

if TYPE_CHECKING:
    from orchestrator.driver.launch import RunResult
    from orchestrator.ledger.folders import SweepFolder
    from orchestrator.ledger.ledger import SweepClock
    from orchestrator.spec.sweep_spec import SweepSpec


def run_on_terminal(spec: SweepSpec, folder: SweepFolder | None, *, as_json: bool) -> None:
    """Run or resume a sweep and print its result.

    Raises:
        typer.Exit: the run was interrupted, ended early, or no trial completed.
    """
    from orchestrator.cli.shared.live_table import show
    from orchestrator.driver.launch import launch
    from orchestrator.report.files import read_reference
    from orchestrator.report.progress import ProgressModel
    from orchestrator.report.text import common_reason
    from orchestrator.spec.baselines import names_by_digest
    from orchestrator.sweep.hooks import RunHooks

    leave_job_folder(spec.storage.root)
    model = ProgressModel(
        **asdict(spec.budget),
        objectives=spec.objectives,
        workers_per_trial=spec.resources.train_workers,
        baselines=names_by_digest(spec.baselines),
        reference_point=None if folder is None else read_reference(folder, spec.objectives),
    )
    with show(model, _clock_of(folder)) as screen, StopSignals(screen.stage) as signals:

        def stage(text: str) -> None:
            signals.arm()  # ray.init() replaces the SIGTERM handler
            screen.stage(text)

        hooks = RunHooks(
            stage=stage, warn=screen.warn, stop_requested=signals.asked, listeners=(screen,)
        )
        result = launch(spec, hooks=hooks, folder=folder)
    _print_result(result, as_json=as_json)
    if result.interrupted and signals.asked():
        raise typer.Exit(INTERRUPTED)
    if result.trouble is not None:  # a full disk, dead lanes or Ray ended the run early
        raise typer.Exit(USER_FAULT)
    if not result.interrupted and not result.report.completed:
        print_err("error: no trial of the sweep completed")
        if reason := common_reason(result.report):
            print_err(f"error: {reason}")
        raise typer.Exit(NO_RESULT)


def _clock_of(folder: SweepFolder | None) -> SweepClock:
    """Return the clock of a sweep that resumes; for a new one, one that starts now."""
    from orchestrator.ledger.ledger import Ledger, SweepClock, sweep_clock

    if folder is None or not folder.ledger.exists():
        return SweepClock(time.time())
    with Ledger(folder.ledger) as ledger:
        return sweep_clock(ledger)


def _print_result(result: RunResult, *, as_json: bool) -> None:
    from orchestrator.report.text import to_json
    from orchestrator.spec.parse import load_spec

    if as_json:
        print_out(to_json(result.report))
    else:
        print_report(result.report, result.files)
        print_out(f"sweep {result.folder.path}")
        print_pages_or_command(result.folder, load_spec(result.folder.spec))
    for problem in result.problems:
        print_warning(problem)
    if result.trouble is not None:
        print_err(f"error: {result.trouble}")
    if result.interrupted:
        print_err(f"stopped early; resume with: {command('resume', result.folder)}")
