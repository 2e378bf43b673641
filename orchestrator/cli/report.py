"""The verb ``report``: what a sweep has found."""

# ruff: noqa: PLC0415 - what is heavy is imported where it is used

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from orchestrator.cli.shared.options import AsJson, StorageRoot, examples, storage_root
from orchestrator.cli.shared.output import say
from orchestrator.cli.shared.pages import print_where

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from orchestrator.report.model import SweepReport

EPILOG = examples(
    "segsweep report",
    "segsweep report demo-20260131-120000",
    "segsweep report --json | python -m json.tool",
)

SweepName: TypeAlias = Annotated[
    str | None,
    typer.Argument(
        metavar="SWEEP",
        show_default=False,
        help="Sweep, by its name or a unique beginning of it; the latest without one.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the verb to the command."""
    app.command("report", epilog=EPILOG)(report)


def report(
    sweep: SweepName = None,
    storage: StorageRoot = None,
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Show the Pareto front of a sweep.

    The sweep may still be running. Its picture, page and tables are written to the folder report
    of the sweep: pareto.png, pareto.html, trials.csv, report.json; with --json nothing is written.
    """
    from orchestrator.ledger.folders import find_sweep
    from orchestrator.report.results import read_report, save_report
    from orchestrator.report.text import to_json
    from orchestrator.spec.parse import load_spec

    folder = find_sweep(storage_root(storage), sweep)
    found = read_report(folder)
    if as_json:
        say(to_json(found))
    else:
        print_report(found, save_report(found, folder.report))
        print_where(folder, load_spec(folder.spec))


def print_report(found: SweepReport, files: Iterable[Path]) -> None:
    """Print the front with the figures of the sweep, then where its files are."""
    from rich.console import Console

    from orchestrator.report.text import summary

    width = None if sys.stdout.isatty() else 160
    Console(file=sys.stdout, width=width).print(summary(found))
    for file in files:
        say(f"{file.suffix.removeprefix('.'):<5} {file}")
