"""The verb ``logs``: what a sweep on a cluster says."""

# ruff: noqa: PLC0415 - what is heavy is imported where it is used

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from orchestrator.cli.shared.options import examples
from orchestrator.cli.shared.output import say
from orchestrator.cli.shared.remote import Address, RemoteSweep, connect, follow

EPILOG = examples(
    "segsweep logs --address http://head:8265",
    "segsweep logs camvid-20260131-120000 --follow --address http://head:8265",
)

Follow: TypeAlias = Annotated[
    bool, typer.Option("--follow", "-f", help="Go on until the sweep ends; Ctrl-C leaves it alone.")
]


def register(app: typer.Typer) -> None:
    """Add the verb to the command."""
    app.command("logs", epilog=EPILOG)(logs)


def logs(sweep: RemoteSweep = None, address: Address = None, go_on: Follow = False) -> None:  # noqa: FBT002
    """Print what a sweep that was submitted has written.

    With --follow the exit code is 0 where the sweep succeeds, 130 where it is stopped, 1 where it
    fails.
    """
    from orchestrator.driver.submission.find import find_job
    from orchestrator.driver.submission.request import SWEEP

    server = connect(address)
    job = find_job(server.jobs(), sweep)
    if go_on:
        follow(server, job, job.labels[SWEEP])
    say(server.logs(job.job_id).rstrip("\n"))
