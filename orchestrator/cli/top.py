"""The verb ``top``: what a cluster's nodes, GPUs and lanes do now."""

# ruff: noqa: PLC0415 - what is heavy is imported where it is used

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias
from uuid import uuid4

import typer

from orchestrator.cli.shared.errors import CliError
from orchestrator.cli.shared.options import AsJson, examples
from orchestrator.cli.shared.output import say_json, tell
from orchestrator.cli.shared.remote import Address, connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Group

    from cluster.jobs.server import JobServer
    from cluster.view import ClusterView, GpuView
    from orchestrator.driver.submission.environment import JobEnvironment

EPILOG = examples(
    "segsweep top",
    "segsweep top --address http://head:8265",
    "segsweep top --address http://head:8265 --json",
)
Installed: TypeAlias = Annotated[
    bool | None,
    typer.Option(
        "--installed/--locked",
        show_default=False,
        help="Take the Python packages that the nodes have, or the locked ones, which uv installs; "
        "without either those of the sweep.",
    ),
]
Seconds: TypeAlias = Annotated[float, typer.Option(min=0.2, help="Time between two looks.")]


def register(app: typer.Typer) -> None:
    """Add the verb to the command."""
    app.command("top", epilog=EPILOG)(top)


def top(
    address: Address = None,
    installed: Installed = None,
    seconds: Seconds = 2.0,
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Show a cluster's nodes, GPUs, lanes and what runs on them; Ctrl-C ends it.

    Without --address the Ray on this machine is shown. With --json once, for scripts. On a cluster
    a job in the environment of the sweep that runs collects what is shown.
    """
    views = (
        _views_here(seconds)
        if address is None
        else _views_there(connect(address), installed=installed, seconds=seconds, once=as_json)
    )
    if as_json:
        say_json(next(views).to_mapping())
        return
    from rich.console import Console
    from rich.live import Live

    console = Console(file=sys.stdout)
    try:
        with Live(console=console, auto_refresh=False, screen=False) as live:
            for view in views:
                live.update(picture(view), refresh=True)
    except KeyboardInterrupt:
        tell("ended")


def picture(view: ClusterView) -> Group:
    """Return the tables of nodes, GPUs and lanes."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    def table(title: str, columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> Table:
        drawn = Table(title=title, title_justify="left", box=None, pad_edge=False)
        for column in columns:
            drawn.add_column(column, overflow="fold")
        for row in rows:
            drawn.add_row(*map(Text, row))
        return drawn

    parts = [table("nodes", ("node", "CPUs in use", "GPUs in use", "labels"), node_rows(view))]
    if any(node.gpus for node in view.nodes):
        columns = ("node", "GPU", "load", "memory", "power", "heat", "clock", "slowed by", "ECC")
        parts.append(table("GPUs", columns, gpu_rows(view)))
    parts.append(table("lanes", ("sweep", "lane", "node", "GPUs", "runs"), lane_rows(view)))
    return Group(*parts)


def node_rows(view: ClusterView) -> list[tuple[str, ...]]:
    """Return the cells of the table of nodes."""
    return [
        (
            node.address,
            f"{node.cpus - node.cpus_free:g} of {node.cpus:g}",
            f"{len(node.gpus) - node.gpus_free:g} of {len(node.gpus)}" if node.gpus else "-",
            " ".join(f"{k}={v}" for k, v in node.labels.items() if k != "ray.io/node-id"),
        )
        for node in view.nodes
    ]


def gpu_rows(view: ClusterView) -> list[tuple[str, ...]]:
    """Return the cells of the table of GPUs; a dash where a device does not tell."""
    return [(node.address, gpu.name, *_figures(gpu)) for node in view.nodes for gpu in node.gpus]


def _figures(gpu: GpuView) -> tuple[str, ...]:
    told = gpu.sample

    def figure(name: str, form: str, factor: float = 1) -> str:
        value = None if told is None else told.get(name)
        return "-" if value is None else form.format(value * factor)

    used, whole = figure("memory_used_mb", "{:.1f}", 1e-3), (gpu.memory_total_mb or 0) / 1e3
    return (
        figure("utilization", "{:.0f} %", 100),
        f"{used} of {whole:.0f} GB",
        figure("power_w", "{:.0f} W"),
        figure("temperature_c", "{:.0f} °C"),
        figure("clock_mhz", "{:.0f} MHz"),
        ", ".join(told["throttled_by"]) or "-" if told else "does not answer",
        figure("ecc_uncorrected", "{:.0f}"),
    )


def lane_rows(view: ClusterView) -> list[tuple[str, ...]]:
    """Return the cells of the table of lanes."""
    addresses = {node.node_id: node.address for node in view.nodes}
    return [
        (
            sweep.sweep_id,
            str(lane["lane"]),
            addresses.get(str(lane.get("node_id")), str(lane.get("node", "-"))),
            ", ".join(str(gpu)[:12] for gpu in lane.get("gpus") or ()) or "-",
            f"taken out: {lane['out']}" if lane.get("out") else str(lane.get("trial") or "idle"),
        )
        for sweep in view.sweeps
        for lane in sweep.lanes
    ]


def _views_here(seconds: float) -> Iterator[ClusterView]:
    from cluster.probe import look
    from cluster.start.connection import connected

    with connected("auto"):
        while True:
            yield look()
            time.sleep(seconds)


def _views_there(
    server: JobServer, *, installed: bool | None, seconds: float, once: bool
) -> Iterator[ClusterView]:
    """Yield the views of a job on the cluster, in the first environment that the nodes have.

    Raises:
        CliError: the job failed in each environment, or after its first view.
    """
    from orchestrator.driver.submission.environment import (
        INSTALLED,
        LOCKED,
        environments_for_probe,
    )

    given = {None: None, True: [INSTALLED], False: [LOCKED]}[installed]
    failures: list[str] = []
    for environment in given or environments_for_probe(server.jobs()):
        views = _views_in(environment, server, seconds=seconds, once=once)
        try:
            first = next(views, None)
        except CliError as error:
            failures.append(str(error))
            continue
        if first is not None:
            yield first
            yield from views
            return
        failures.append(f"the job of {environment.python!r} ended without a view")
    raise CliError("\n".join(["the cluster could not be examined", *failures]))


def _views_in(
    environment: JobEnvironment, server: JobServer, *, seconds: float, once: bool
) -> Iterator[ClusterView]:
    """Yield the views that one job writes; the job ends with the generator.

    Raises:
        CliError: the job failed.
    """
    from cluster.jobs.request import JobRequest
    from cluster.view import ClusterView
    from orchestrator.driver.submission.code import pack_code
    from orchestrator.driver.submission.failure import failure_with_log

    job_id = f"segsweep-top-{uuid4().hex[:8]}"
    times = 1 if once else 0
    with tempfile.TemporaryDirectory(prefix="segsweep-top-") as folder:
        request = JobRequest(
            job_id=job_id,
            command=f"{environment.python} -m cluster.probe --times {times} --seconds {seconds}",
            working_dir=str(pack_code(Path(folder), None).folder),
            environment=environment.variables,
            image=environment.image,
        )
        server.submit(request)
    said: list[str] = []
    try:
        for text in server.pieces(job_id):
            said.append(text)
            whole, _, rest = "".join(said).rpartition("\n")
            said = [rest]
            for line in whole.splitlines():
                if line.startswith('{"nodes"'):
                    yield ClusterView.from_mapping(json.loads(line))
        job = server.job(job_id)
        if job.state == "failed":
            raise CliError(failure_with_log(job, server.logs(job_id)))
    finally:
        server.stop(job_id)
