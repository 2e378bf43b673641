"""The verb ``logs``: the log of a sweep on a cluster."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from orchestrator.cli.shared.options import examples
from orchestrator.cli.shared.output import print_out
from orchestrator.cli.shared.remote import Address, RemoteSweep, connect, follow

EPILOG = examples(
    "segsweep logs --address http://head:8265",
    "segsweep logs camvid-20260131-120000 --follow --address http://head:8265",
)

Follow: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--follow",
        "-f",
        help="Follow the log until the sweep ends; Ctrl-C does not stop the sweep.",
    ),
]


def logs(sweep: RemoteSweep = None, address: Address = None, follow_log: Follow = False) -> None:
    """Print the log of a submitted sweep.

    With --follow the exit code is 0 if the sweep succeeds, 130 if it is stopped, 1 if it fails.
    """
    from orchestrator.driver.submission import SWEEP
    from orchestrator.driver.sweep_jobs import find_job

    server = connect(address)
    job = find_job(server.jobs(), sweep)
    if follow_log:
        follow(server, job, job.labels[SWEEP])
    print_out(server.logs(job.job_id).rstrip("\n"))
