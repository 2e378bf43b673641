"""The verb ``verify``: whether a sweep's records tell one story."""

# ruff: noqa: PLC0415 - what is heavy is imported where it is used

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, TypeAlias

import typer

from orchestrator.cli.report import SweepName  # noqa: TC001 - typer reads it
from orchestrator.cli.shared.options import AsJson, StorageRoot, examples, storage_root
from orchestrator.cli.shared.output import printable, say, say_json

EPILOG = examples(
    "segsweep verify",
    "segsweep verify demo-20260131-120000 --json",
    "segsweep verify --proposals",
)
NoMlflow: TypeAlias = Annotated[
    bool, typer.Option("--no-mlflow", help="Leave the tracking store alone.")
]
Proposals: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--proposals",
        help="Let the searcher propose every trial again, too; as slow as proposing was.",
    ),
]
CONTRADICTED = 1
"""Exit code where something contradicts the ledger."""


def register(app: typer.Typer) -> None:
    """Add the verb to the command."""
    app.command("verify", epilog=EPILOG)(verify)


def verify(
    sweep: SweepName = None,
    storage: StorageRoot = None,
    no_mlflow: NoMlflow = False,  # noqa: FBT002
    proposals: Proposals = False,  # noqa: FBT002
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Compare a sweep's ledger with all that was made from it.

    Scheduler and searcher, the trials' folders with the digests of their checkpoints, Ray's storage
    and the runs in MLflow are held against the ledger: nothing may be lost, doubled or
    contradictory. Nothing is changed. Leaves with exit code 1 where anything is found.
    """
    from orchestrator.driver.verification.sweep import verify_sweep
    from orchestrator.ledger.folders import find_sweep

    folder = find_sweep(storage_root(storage), sweep)
    found = verify_sweep(folder, mlflow=not no_mlflow, propose=proposals)
    if as_json:
        say_json({"sweep_id": folder.sweep_id, "findings": [asdict(each) for each in found]})
    else:
        for each in found:
            say(printable(str(each)))
        what = (
            f"{len(found)} contradiction(s)" if found else "nothing lost, doubled or contradictory"
        )
        say(f"{folder.sweep_id}: {what}")
        if found:
            say("what each means and how to go on: docs/faults.md")
    if found:
        raise typer.Exit(CONTRADICTED)
