"""The verb ``top``: the load of a cluster's nodes, GPUs and lanes."""

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
from orchestrator.cli.shared.output import print_err, print_json
from orchestrator.cli.shared.remote import Address, connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Group

    from cluster.jobs.server import JobServer
    from cluster.view import ClusterView, GpuView
    from orchestrator.driver.sweep_jobs import JobEnvironment

EPILOG = examples(
    "segsweep top",
    "segsweep top --address http://head:8265",
    "segsweep top --address http://head:8265 --json",
)
Installed: TypeAlias = Annotated[
    bool | None,
    typer.Option(
        "--installed/--locked",
        help="Use the Python packages of the nodes, or the locked ones, which uv installs; the "
        "default is the running sweep's environment.",
    ),
]
Seconds: TypeAlias = Annotated[float, typer.Option(min=0.2, help="Refresh interval, s.")]


def top(
    address: Address = None,
    installed: Installed = None,
    seconds: Seconds = 2.0,
    as_json: AsJson = False,
) -> None:
    """Show the nodes, GPUs and lanes of a cluster with their trials, until Ctrl-C.

    Without --address it shows the Ray on this machine. With --json it prints one snapshot. On a
    cluster a short job collects the figures, in the environment of the running sweep.
    """
    views = (
        _local_views(seconds)
        if address is None
        else _remote_views(connect(address), installed=installed, seconds=seconds, once=as_json)
    )
    if as_json:
        print_json(next(views).to_mapping())
        return
    from rich.console import Console
    from rich.live import Live

    console = Console(file=sys.stdout)
    try:
        with Live(console=console, auto_refresh=False, screen=False) as live:
            for view in views:
                live.update(picture(view), refresh=True)
    except KeyboardInterrupt:
        print_err("ended")


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
    """Return the rows of the table of nodes."""
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
    """Return the rows of the table of GPUs; a dash is a figure that the device does not report."""
    return [(node.address, gpu.name, *_figures(gpu)) for node in view.nodes for gpu in node.gpus]


def _figures(gpu: GpuView) -> tuple[str, ...]:
    sample = gpu.sample

    def figure(name: str, form: str, factor: float = 1) -> str:
        value = None if sample is None else sample.get(name)
        return "-" if value is None else form.format(value * factor)

    used, whole = figure("memory_used_mb", "{:.1f}", 1e-3), (gpu.memory_total_mb or 0) / 1e3
    return (
        figure("utilization", "{:.0f} %", 100),
        f"{used} of {whole:.0f} GB",
        figure("power_w", "{:.0f} W"),
        figure("temperature_c", "{:.0f} °C"),
        figure("clock_mhz", "{:.0f} MHz"),
        ", ".join(sample["throttled_by"]) or "-" if sample else "no answer",
        figure("ecc_uncorrected", "{:.0f}"),
    )


def lane_rows(view: ClusterView) -> list[tuple[str, ...]]:
    """Return the rows of the table of lanes."""
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


def _local_views(seconds: float) -> Iterator[ClusterView]:
    from cluster.probe import look
    from cluster.start.connection import connected

    with connected("auto"):
        while True:
            yield look()
            time.sleep(seconds)


def _remote_views(
    server: JobServer, *, installed: bool | None, seconds: float, once: bool
) -> Iterator[ClusterView]:
    """Yield the views of a job on the cluster, in the first environment that works there.

    Raises:
        CliError: the job failed in every environment, or after its first view.
    """
    from orchestrator.driver.sweep_jobs import (
        INSTALLED,
        LOCKED,
        environments_for_probe,
    )

    chosen = {None: None, True: [INSTALLED], False: [LOCKED]}[installed]
    failures: list[str] = []
    for environment in chosen or environments_for_probe(server.jobs()):
        views = _views_of_job(environment, server, seconds=seconds, once=once)
        try:
            first = next(views, None)
        except CliError as error:
            failures.append(str(error))
            continue
        if first is not None:
            yield first
            yield from views
            return
        failures.append(f"the job of {environment.python!r} printed nothing")
    raise CliError("\n".join(["no job could examine the cluster", *failures]))


def _views_of_job(
    environment: JobEnvironment, server: JobServer, *, seconds: float, once: bool
) -> Iterator[ClusterView]:
    """Yield the views that one job prints; the job is stopped with the generator.

    Raises:
        CliError: the job failed.
    """
    from cluster.jobs.request import JobRequest
    from cluster.view import ClusterView
    from orchestrator.driver.submission import pack_code
    from orchestrator.driver.sweep_jobs import failure_with_log

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
    unread = ""
    try:
        for text in server.pieces(job_id):
            lines, _, unread = (unread + text).rpartition("\n")
            for line in lines.splitlines():
                if line.startswith('{"nodes"'):
                    yield ClusterView.from_mapping(json.loads(line))
        job = server.job(job_id)
        if job.state == "failed":
            raise CliError(failure_with_log(job, server.logs(job_id)))
    finally:
        server.stop(job_id)
