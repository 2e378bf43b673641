"""What the commands for sweeps on a cluster share."""

# ruff: noqa: PLC0415 - what is heavy is imported where it is used

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, NoReturn, TypeAlias

import typer

from orchestrator.cli.shared.errors import CliError
from orchestrator.cli.shared.exit_codes import INTERRUPTED, OUR_FAULT
from orchestrator.cli.shared.output import tell

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
        show_default=False,
        show_envvar=False,
        help=f"Jobs server of a Ray cluster, http://HEAD:8265; ${ADDRESS_VARIABLE} if not given.",
    ),
]
RemoteSweep: TypeAlias = Annotated[
    str | None,
    typer.Argument(
        metavar="SWEEP",
        show_default=False,
        help="Sweep, by its id or a unique beginning of it; the one submitted last without.",
    ),
]


def connect(address: str | None) -> JobServer:
    """Return the Jobs server at ``address``.

    Raises:
        CliError: no address was given.
        ClusterError: nothing answers there, or it wants a token.
    """
    from trainables.io.redaction import expand

    if address is None:
        raise CliError(
            f"no cluster was named; give --address http://HEAD:8265 or set {ADDRESS_VARIABLE}"
        )
    from cluster.jobs.server import JobServer

    return JobServer(expand(address))


def follow(server: JobServer, job: Job, sweep_id: str) -> NoReturn:
    """Print what the job writes until its end, and leave with the exit code that it deserves.

    Ctrl-C leaves the job alone.
    """
    from orchestrator.driver.submission.failure import failure

    try:
        ended = server.follow(job.job_id, _write)
    except KeyboardInterrupt:
        tell(f"left; sweep {sweep_id} goes on at {server.address}")
        _say_how_to_look(server.address, sweep_id)
        raise typer.Exit(INTERRUPTED) from None
    reason = failure(ended) if ended.message else ""
    tell(f"sweep {sweep_id}: {ended.state}" + (f" ({reason})" if reason else ""))
    if ended.state != "succeeded":
        tell(f"go on with it: segsweep submit --resume {sweep_id} --address {server.address}")
    raise typer.Exit({"succeeded": 0, "stopped": INTERRUPTED}.get(ended.state, OUR_FAULT))


def _say_how_to_look(address: str, sweep_id: str) -> None:
    for verb, what in (("status", "how it stands"), ("logs --follow", "watch it"), ("stop", "end")):
        tell(f"  segsweep {verb} {sweep_id} --address {address}   # {what}")


def say_next(address: str, sweep_id: str) -> None:
    """Say what can be done with a sweep that was submitted."""
    tell(f"sweep {sweep_id} is submitted to {address}")
    _say_how_to_look(address, sweep_id)


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
