"""The Ray that a driver works with: one started here, or a cluster that is there."""

from __future__ import annotations

import logging
import os
import socket
import sys
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import psutil
import ray
from ray._private.utils import read_ray_address
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from cluster.capacity.nodes import nodes_of
from cluster.errors import ClusterError
from cluster.start.local_ray import first_line, quiet_start, start_ray
from cluster.start.processes import outlived_by_none
from cluster.telemetry.readings import list_gpus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cluster.capacity.nodes import Node

_SETTINGS = {
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # keep CUDA_VISIBLE_DEVICES as the user set it
    "RAY_TRAIN_ENABLE_STATE_TRACKING": "0",  # needs a dashboard
    "RAY_TRAIN_METRICS_ENABLED": "0",  # as above
    "RAY_DISABLE_DOCKER_CPU_WARNING": "1",
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is sent anywhere
}


_CLUSTER_SETTINGS = {
    "RAY_TRAIN_PREEMPTION_POLL_INTERVAL_S": "2",  # a notice may be no more than half a minute
}
_LOCAL_SETTINGS = {
    "RAY_task_events_report_interval_ms": "0",  # for a dashboard, which is not started
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",  # one process a lane; this machine sends no notice
}
_SURVEY_SECONDS = 60.0
_ANSWER_SECONDS = 10.0
"""How long a cluster may take to accept a connection."""
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class ClusterCapacity:
    """What a Ray cluster offers."""

    nodes: int
    """Machines alive, >= 1."""
    cpus: float
    """CPU cores of all of them."""
    gpus: float
    """GPUs of all of them."""
    local: bool
    """Whether it was started by this process, to end with it."""


@contextmanager
def connected(address: str | None = None) -> Iterator[ClusterCapacity]:
    """Work with the cluster at ``address``, or with a Ray of this machine's where it is None.

    A Ray that was started here listens on localhost alone and is stopped at the end.

    Raises:
        ClusterError: it cannot be started or reached, or is lost.
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
        named = os.environ.get("RAY_ADDRESS") if address == "auto" else None
        arguments["address"] = named or address  # a job's own cluster before any other on the node
        _see_that_it_answers(arguments["address"])
    _log_notices()
    if address is None:
        start_ray(arguments)
    else:
        _connect(arguments)
    try:
        resources = ray.cluster_resources()  # type: ignore[no-untyped-call]
        yield ClusterCapacity(
            nodes=_alive(),
            cpus=float(resources.get("CPU", 0)),
            gpus=float(resources.get("GPU", 0)),
            local=address is None,
        )
    except RayError as error:
        raise ClusterError(
            f"Ray was lost ({type(error).__name__}: {first_line(error)}); what is done is kept: "
            "see that Ray is up, then resume"
        ) from error
    finally:
        with outlived_by_none() if address is None else nullcontext():
            ray.shutdown()


def _connect(arguments: dict[str, Any]) -> None:
    try:
        with quiet_start():
            ray.init(**arguments)
    except Exception as error:
        raise ClusterError(f"no Ray at {arguments['address']}: {error}") from error


def _see_that_it_answers(address: str) -> None:
    """Look whether anything listens where Ray would wait for minutes.

    For ``auto`` that is the cluster that Ray noted on this machine, which it leaves noted when a
    cluster was killed.

    Raises:
        ClusterError: nothing does.
    """
    place = address.removeprefix("ray://")
    if address == "auto":
        place = read_ray_address() or ""
    host, _, port = place.rpartition(":")
    if not host or not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER_SECONDS).close()
    except (OSError, OverflowError, UnicodeError) as error:
        raise ClusterError(
            f"no Ray at {address}: nothing answers at {place} ({error}); "
            "start one with ray start --head, or name another address"
        ) from error


def survey() -> tuple[Node, ...]:
    """Return the nodes of the connected cluster; those with GPUs are asked how large these are."""
    found = nodes_of(ray.nodes())  # type: ignore[no-untyped-call]
    asked = {node.node_id: _gpu_memory(node.node_id) for node in found if node.gpus}
    return tuple(
        replace(node, gpu_memory_mb=_answer(asked[node.node_id])) if node.gpus else node
        for node in found
    )


def _gpu_memory(node_id: str) -> Any:  # noqa: ANN401 - an object reference
    strategy = NodeAffinitySchedulingStrategy(node_id=node_id, soft=False)
    task: Any = ray.remote(list_gpus)
    return task.options(num_cpus=0, scheduling_strategy=strategy).remote()


def _answer(reference: Any) -> float | None:  # noqa: ANN401 - an object reference
    """Return the memory of the smallest GPU of a node, MB; None where it does not say in time."""
    try:
        gpus = ray.get(reference, timeout=_SURVEY_SECONDS)
    except ray.exceptions.RayError:
        return None
    return min((gpu.memory_total_mb for gpu in gpus if gpu.memory_total_mb), default=None)


def _alive() -> int:
    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return sum(bool(node["Alive"]) for node in nodes)


def _log_notices() -> None:
    """Send the notices that Ray prints to its driver's standard output to the log instead.

    Ray has no setting for it; where its inner workings differ, they are printed as ever.
    """
    worker = sys.modules.get("ray._private.worker")
    if hasattr(worker, "print_to_stdstream"):
        worker.print_to_stdstream = _note  # type: ignore[union-attr]


def _note(data: dict[str, Any], *_: object, **__: object) -> None:
    for line in data.get("lines", ()):
        _LOG.info("Ray (%s): %s", data.get("pid", "?"), line)
