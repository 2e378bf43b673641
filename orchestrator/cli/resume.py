"""The verb ``resume``: continue a sweep."""

from __future__ import annotations

from orchestrator.cli.shared.job_folder import keep_job_folder
from orchestrator.cli.shared.options import (
    AsJson,
    MirrorAddress,
    Overrides,
    StorageRoot,
    SweepName,
    examples,
    storage_root,
)
from orchestrator.cli.shared.output import print_err
from orchestrator.cli.shared.sweep_run import run_on_terminal

EPILOG = examples(
    "segsweep resume",
    "segsweep resume demo-20260131-120000",
    "segsweep resume demo-20260131-120000 --set resources.address=ray://head:10001",
    "segsweep resume demo-20260131-120000 --from s3://bucket/sweeps --storage /data/runs",
)


def resume(
    sweep: SweepName = None,
    storage: StorageRoot = None,
    mirror: MirrorAddress = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Resume a sweep that was stopped, or whose driver or machine failed.

    Ended trials are kept, open trials continue from their last checkpoint, and no trial is
    duplicated. A changed spec or data set is refused. --set may change resources.address, lanes,
    CPU and GPU shares, and data.root. With --from the missing files are downloaded from the sweep's
    mirror first, on any machine.
    """
    from orchestrator.ledger.folders import find_sweep
    from orchestrator.spec.parse import load_spec

    keep_job_folder()
    root = storage_root(storage)
    if mirror is None:
        folder = find_sweep(root, sweep)
    else:
        from orchestrator.ledger.mirror import fetch_sweep

        folder = fetch_sweep(mirror, sweep, root, overrides=overrides or (), report=print_err)
    run_on_terminal(load_spec(folder.spec, overrides=overrides or ()), folder, as_json=as_json)
