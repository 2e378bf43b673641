"""The verb ``list``: list sweeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.cli.shared.hints import command
from orchestrator.cli.shared.options import (
    AsJson,
    OnCluster,
    StorageRoot,
    examples,
    storage_root,
)
from orchestrator.cli.shared.output import (
    print_err,
    print_json,
    print_out,
    print_table,
    seconds_text,
)

if TYPE_CHECKING:
    from orchestrator.ledger.folders import SweepFolder

EPILOG = examples(
    "segsweep list",
    "segsweep list --storage /data/runs --json",
    "segsweep list --address http://head:8265",
)


def sweeps(
    storage: StorageRoot = None,
    address: OnCluster = None,
    as_json: AsJson = False,
) -> None:
    """List the sweeps in the storage folder, or on a cluster with --address, the latest first."""
    if address is not None and storage is None:
        _list_submitted(address, as_json=as_json)
        return
    from orchestrator.ledger.folders import list_sweeps

    root = storage_root(storage)
    folders = list_sweeps(root)
    rows = [_row(folder) for folder in folders]
    if as_json:
        print_json(rows)
    elif not rows:
        print_out(f"no sweeps in {root}; start one with 'segsweep run'")
    else:
        print_table(
            ("sweep", "trials", "complete", "best mIoU", "time"),
            [
                (
                    str(row["sweep_id"]),
                    str(row["trials"]),
                    str(row["completed"]),
                    "-" if row["best_miou"] is None else f"{row['best_miou']:.3f}",
                    seconds_text(float(str(row["seconds"]))),
                )
                for row in rows
            ],
        )
        print_err(f"show the latest: {command('report', folders[0])}")


def _list_submitted(address: str, *, as_json: bool) -> None:
    from orchestrator.cli.shared.remote import connect
    from orchestrator.cli.status import job_facts
    from orchestrator.driver.sweep_jobs import sweep_jobs

    server = connect(address)
    rows = [job_facts(job) for job in sweep_jobs(server.jobs())]
    if as_json:
        print_json(rows)
    elif not rows:
        print_out(f"no sweeps were submitted to {address}; submit one with 'segsweep submit SPEC'")
    else:
        columns = ("sweep_id", "job_id", "state", "time", "storage")
        print_table(columns, [[str(row[name] or "-") for name in columns] for row in rows])
        latest = f"{rows[0]['sweep_id']} --address {server.address}"
        print_err(f"state of the latest: segsweep status {latest}")


def _row(folder: SweepFolder) -> dict[str, object]:
    from orchestrator.report.files import read_records

    records = read_records(folder)
    scores = [trial.metrics["miou"] for trial in records.complete if "miou" in trial.metrics]
    return {
        "sweep_id": folder.sweep_id,
        "trials": len(records.trials),
        "completed": len(records.complete),
        "best_miou": max(scores, default=None),
        "seconds": records.seconds,
        "path": str(folder.path),
    }
