"""Options and output of the verbs for sweeps on a cluster."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, NoReturn, TypeAlias

import typer

from orchestrator.cli.shared.errors import INTERRUPTED, OUR_FAULT, CliError
from orchestrator.cli.shared.output import print_err

if TYPE_CHECKING:
    from cluster.jobs.request import Job
    from cluster.jobs.server import JobServer

ADDRESS_VARIABLE = "RAY_API_SERVER_ADDRESS"

Address: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="URL",
        envvar=ADDRESS_VARIABLE,
        show_envvar=False,
        help=f"Jobs server of a Ray cluster, http://HEAD:8265; default ${ADDRESS_VARIABLE}.",
    ),
]
RemoteSweep: TypeAlias = Annotated[
    str | None,
    typer.Argument(
        metavar="SWEEP",
        help="Id of the sweep, or a unique prefix of it; the default is the last submitted one.",
    ),
]


def connect(address: str | None) -> JobServer:
    """Return the Jobs server at ``address``.

    Raises:
        CliError: no address was given.
        ClusterError: the server does not answer, or it requires a token.
    """
    from trainables.io.redaction import expand

    if address is None:
        raise CliError(
            f"no cluster was named; give --address http://HEAD:8265 or set {ADDRESS_VARIABLE}"
        )
    from cluster.jobs.server import JobServer

    return JobServer(expand(address))


def follow(server: JobServer, job: Job, sweep_id: str) -> NoReturn:
    """Print the job's log until its end and exit with the code of its state.

    Ctrl-C stops the output, not the job.
    """
    from orchestrator.driver.sweep_jobs import failure

    try:
        ended = server.follow(job.job_id, _write)
    except KeyboardInterrupt:
        print_err(f"stopped following; sweep {sweep_id} keeps running at {server.address}")
        _print_commands(server.address, sweep_id)
        raise typer.Exit(INTERRUPTED) from None
    reason = failure(ended) if ended.message else ""
    print_err(f"sweep {sweep_id}: {ended.state}" + (f" ({reason})" if reason else ""))
    if ended.state != "succeeded":
        print_err(f"resume it: segsweep submit --resume {sweep_id} --address {server.address}")
    raise typer.Exit({"succeeded": 0, "stopped": INTERRUPTED}.get(ended.state, OUR_FAULT))


def _print_commands(address: str, sweep_id: str) -> None:
    for verb, what in (("status", "state"), ("logs --follow", "log"), ("stop", "stop it")):
        print_err(f"  segsweep {verb} {sweep_id} --address {address}   # {what}")


def print_next_steps(address: str, sweep_id: str) -> None:
    """Print the commands for a submitted sweep."""
    print_err(f"submitted sweep {sweep_id} to {address}")
    _print_commands(address, sweep_id)


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
