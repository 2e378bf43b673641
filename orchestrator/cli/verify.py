"""The verb ``verify``: check a sweep's records against its ledger."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, TypeAlias

import typer

from orchestrator.cli.shared.options import (
    AsJson,
    StorageRoot,
    SweepName,
    examples,
    storage_root,
)
from orchestrator.cli.shared.output import escape_control, print_json, print_out

EPILOG = examples(
    "segsweep verify",
    "segsweep verify demo-20260131-120000 --json",
    "segsweep verify --proposals",
)
NoMlflow: TypeAlias = Annotated[bool, typer.Option("--no-mlflow", help="Skip the runs in MLflow.")]
Proposals: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--proposals", help="Replay the searcher's proposals too; as slow as in the sweep."
    ),
]
CONTRADICTED = 1
"""Exit code if a record contradicts the ledger."""


def verify(
    sweep: SweepName = None,
    storage: StorageRoot = None,
    no_mlflow: NoMlflow = False,
    proposals: Proposals = False,
    as_json: AsJson = False,
) -> None:
    """Check that a sweep's records agree with its ledger.

    Replays the scheduler's decisions and compares trial folders, checkpoint digests, Ray's storage
    and the runs in MLflow with the ledger. Nothing may be lost, duplicated or contradictory. Only
    reads. Exit code 1 means that something was found.
    """
    from orchestrator.driver.verification.verify import verify_sweep
    from orchestrator.ledger.folders import find_sweep

    folder = find_sweep(storage_root(storage), sweep)
    findings = verify_sweep(folder, mlflow=not no_mlflow, propose=proposals)
    if as_json:
        print_json(
            {"sweep_id": folder.sweep_id, "findings": [asdict(finding) for finding in findings]}
        )
    else:
        for finding in findings:
            print_out(escape_control(str(finding)))
        count = f"{len(findings)} contradiction(s)" if findings else "no contradictions"
        print_out(f"{folder.sweep_id}: {count}")
        if findings:
            print_out("their meaning and what to do: docs/faults.md")
    if findings:
        raise typer.Exit(CONTRADICTED)
