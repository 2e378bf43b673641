"""Connections to Ray: to a local one that this process starts, or to a running cluster."""

from __future__ import annotations

import logging
import os
import socket
import sys
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil
import ray
from ray._private.utils import read_ray_address
from ray.exceptions import RayError

from cluster.errors import ClusterError
from cluster.start.cluster_state import node_entries, total_resources
from cluster.start.local_ray import first_line, quiet_start, start_ray, started_pids
from cluster.start.processes import killed_afterwards

if TYPE_CHECKING:
    from collections.abc import Iterator

_SETTINGS = {
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # keep the user's CUDA_VISIBLE_DEVICES
    "RAY_TRAIN_ENABLE_STATE_TRACKING": "0",  # needs a dashboard
    "RAY_TRAIN_METRICS_ENABLED": "0",  # as above
    "RAY_DISABLE_DOCKER_CPU_WARNING": "1",
    "RAY_USAGE_STATS_ENABLED": "0",  # no usage reports
}


_CLUSTER_SETTINGS = {
    "RAY_TRAIN_PREEMPTION_POLL_INTERVAL_S": "2",  # a notice may come half a minute before the end
}
_LOCAL_SETTINGS = {
    "RAY_task_events_report_interval_ms": "0",  # for the dashboard, which is not started
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",  # saves a process for each lane
}
_CONNECT_SECONDS = 10.0
"""How long a cluster may take to accept a TCP connection."""
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class ClusterCapacity:
    """The resources of a Ray cluster."""

    nodes: int
    """Nodes that are alive, >= 1."""
    cpus: float
    """CPU cores of all nodes."""
    gpus: float
    """GPUs of all nodes."""
    local: bool
    """Whether this process started it; it is then stopped with the connection."""


@contextmanager
def connected(address: str | None = None) -> Iterator[ClusterCapacity]:
    """Connect to the cluster at ``address``; start a local Ray where it is None.

    A local Ray listens on localhost only and is stopped at the end.

    Raises:
        ClusterError: Ray cannot be started or reached, or its connection is lost.
    """
    for name, value in (_SETTINGS | (_CLUSTER_SETTINGS if address else _LOCAL_SETTINGS)).items():
        os.environ.setdefault(name, value)
    arguments: dict[str, Any] = {
        "log_to_driver": False,
        "logging_level": logging.ERROR,
        "configure_logging": True,
    }
    if address is None:
        arguments |= {
            "address": "local",
            "num_cpus": len(psutil.Process().cpu_affinity() or [0]),
            "include_dashboard": False,
        }
    else:
        # In a job, RAY_ADDRESS is its own cluster; ``auto`` might find another one on the node.
        of_job = os.environ.get("RAY_ADDRESS") if address == "auto" else None
        arguments["address"] = of_job or address
        _require_listener(arguments["address"])
    _redirect_notices()
    if address is None:
        start_ray(arguments)
    else:
        _connect(arguments)
    try:
        resources = total_resources()
        yield ClusterCapacity(
            nodes=sum(bool(entry["Alive"]) for entry in node_entries()),
            cpus=float(resources.get("CPU", 0)),
            gpus=float(resources.get("GPU", 0)),
            local=address is None,
        )
    except RayError as error:
        raise ClusterError(
            f"Ray was lost ({type(error).__name__}: {first_line(error)}); finished work is kept: "
            "make sure that Ray runs, then resume"
        ) from error
    finally:
        with killed_afterwards(started_pids) if address is None else nullcontext():
            ray.shutdown()


def _connect(arguments: dict[str, Any]) -> None:
    try:
        with quiet_start():
            ray.init(**arguments)
    except Exception as error:
        raise ClusterError(f"no Ray at {arguments['address']}: {error}") from error


def _require_listener(address: str) -> None:
    """Return if a TCP server listens at ``address``; ``ray.init`` would wait for minutes.

    For ``auto`` that is the address that Ray recorded on this machine, which stays recorded after
    its cluster was killed.

    Raises:
        ClusterError: no server listens.
    """
    endpoint = address.removeprefix("ray://")
    if address == "auto":
        endpoint = read_ray_address() or ""
    host, _, port = endpoint.rpartition(":")
    if not host or not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_SECONDS).close()
    except (OSError, OverflowError, UnicodeError) as error:
        raise ClusterError(
            f"no Ray at {address}: nothing answers at {endpoint} ({error}); "
            "start one with ray start --head, or name another address"
        ) from error


def _redirect_notices() -> None:
    """Log the notices that Ray prints to its driver's standard output.

    Ray has no setting for it. Where a later Ray has no such function, they are printed.
    """
    worker = sys.modules.get("ray._private.worker")
    if hasattr(worker, "print_to_stdstream"):
        worker.print_to_stdstream = _log_lines  # type: ignore[union-attr]


def _log_lines(data: dict[str, Any], *_: object, **__: object) -> None:
    for line in data.get("lines", ()):
        _LOG.info("Ray (%s): %s", data.get("pid", "?"), line)
