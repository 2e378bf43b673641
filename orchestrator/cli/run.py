"""The verb ``run``: run a sweep."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from orchestrator.cli.shared.errors import CliError
from orchestrator.cli.shared.hints import command
from orchestrator.cli.shared.job_folder import keep_job_folder
from orchestrator.cli.shared.options import AsJson, Overrides, PresetName, SpecFile, examples
from orchestrator.cli.shared.output import print_err
from orchestrator.cli.shared.sweep_run import run_on_terminal

if TYPE_CHECKING:
    from orchestrator.ledger.folders import SweepFolder
    from orchestrator.spec.sweep_spec import SweepSpec

EPILOG = examples(
    "segsweep run",
    "segsweep run camvid.yaml --set data.root=/data/camvid",
    "segsweep run camvid.yaml --preset kim --set 'constraints=[latency_ms <= 20]'",
    "segsweep run --set resources.train_workers=2 --json > result.json",
)

Name: TypeAlias = Annotated[
    str | None, typer.Option("--name", help="Name of the sweep; overrides the spec's.")
]
SweepId: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--id",
        metavar="ID",
        help="Id of the sweep; the default is its name with the time. If a sweep of this id "
        "exists, it resumes, so the same command can be repeated after a crash.",
    ),
]
NewSweep: TypeAlias = Annotated[
    bool,
    typer.Option("--new", help="Start a new sweep even if one of the same spec is unfinished."),
]


def run(  # noqa: PLR0917 - the options of a command line
    spec: SpecFile = None,
    preset: PresetName = None,
    overrides: Overrides = None,
    name: Name = None,
    sweep_id: SweepId = None,
    new: NewSweep = False,
    as_json: AsJson = False,
) -> None:
    """Run a sweep and print its Pareto front.

    Data set and networks are checked before anything starts. Progress is written to standard
    error, the result to standard output. Ctrl-C stops the sweep cleanly; a second Ctrl-C exits at
    once. If a sweep of the same spec is unfinished, the command offers to resume it. Exit code 1
    means that no trial completed; the most frequent reason is printed.
    """
    from pathlib import Path

    from orchestrator.ledger.folders import sweep_of_id
    from orchestrator.spec.parse import load_spec

    keep_job_folder()
    parsed = load_spec(spec, preset=preset, overrides=overrides or ())
    parsed = parsed if name is None else replace(parsed, name=name)
    folder = sweep_of_id(Path(parsed.storage.root), sweep_id) if sweep_id else None
    if folder is not None and folder.spec.exists():
        print_err(f"resuming sweep {folder.sweep_id}")
        # overrides apply to the kept spec too: resources.address, for example, may change
        parsed = load_spec(folder.spec, overrides=overrides or ())
    elif folder is None and not new:
        folder = _offer_unfinished(parsed)
    run_on_terminal(parsed, folder, as_json=as_json)


def _offer_unfinished(spec: SweepSpec) -> SweepFolder | None:
    """Return the unfinished sweep of the same spec if the user chooses to resume it; else None.

    Raises:
        CliError: there is one, and it is running or standard input is not a terminal.
    """
    import sys
    from pathlib import Path

    from orchestrator.ledger.identity import unfinished_sweep_of
    from orchestrator.spec.parse import settle_spec

    spec = settle_spec(spec)
    folder = unfinished_sweep_of(Path(spec.storage.root), spec)
    if folder is None:
        return None
    if folder.is_driven():
        raise CliError(
            f"sweep {folder.sweep_id} of the same spec is running; follow it with "
            f"'{command('report', folder)}', or start another one with 'segsweep run --new'"
        )
    what = f"sweep {folder.sweep_id} of the same spec is unfinished"
    if not sys.stdin.isatty():
        raise CliError(
            f"{what}; resume it with '{command('resume', folder)}', or start another one with "
            "'segsweep run --new'"
        )
    return folder if typer.confirm(f"{what}; resume it?", default=True, err=True) else None
