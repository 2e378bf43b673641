"""The verb ``report``: the Pareto front of a sweep."""

from __future__ import annotations

from orchestrator.cli.shared.options import (
    AsJson,
    StorageRoot,
    SweepName,
    examples,
    storage_root,
)
from orchestrator.cli.shared.output import print_out
from orchestrator.cli.shared.pages import print_pages_or_command, print_report

EPILOG = examples(
    "segsweep report",
    "segsweep report demo-20260131-120000",
    "segsweep report --json | python -m json.tool",
)


def report(
    sweep: SweepName = None,
    storage: StorageRoot = None,
    as_json: AsJson = False,
) -> None:
    """Show the Pareto front of a sweep.

    The sweep may still be running. pareto.png, pareto.html, trials.csv and report.json are written
    to the folder report of the sweep; with --json nothing is written.
    """
    from orchestrator.ledger.folders import find_sweep
    from orchestrator.report.files import read_report, save_report
    from orchestrator.report.text import to_json
    from orchestrator.spec.parse import load_spec

    folder = find_sweep(storage_root(storage), sweep)
    sweep_report = read_report(folder)
    if as_json:
        print_out(to_json(sweep_report))
    else:
        print_report(sweep_report, save_report(sweep_report, folder.report))
        print_pages_or_command(folder, load_spec(folder.spec))
