"""The state of the connected cluster: nodes, free resources, named actors."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import ray
from ray._private.state import available_resources_per_node
from ray.util import list_named_actors
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from cluster.capacity.nodes import nodes_of
from cluster.telemetry.readings import list_gpus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from cluster.capacity.nodes import Node

Result = TypeVar("Result")
_SURVEY_SECONDS = 60.0
"""How long a node may take to list its GPUs; its first task starts a worker process."""


def node_entries() -> list[dict[str, Any]]:
    """Return Ray's entry of every node, dead ones included."""
    entries: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return entries


def total_resources() -> Mapping[str, float]:
    """Return the resources of all nodes that are alive."""
    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return resources


def free_resources() -> Mapping[str, Mapping[str, float]]:
    """Return the unused resources of each node, by its identity."""
    free: dict[str, dict[str, float]] = available_resources_per_node()  # type: ignore[no-untyped-call]
    return free


def survey() -> tuple[Node, ...]:
    """Return the nodes that are alive; those with GPUs with the memory of the smallest GPU."""
    nodes = nodes_of(node_entries())
    gpus = run_on_nodes(
        list_gpus, [node.node_id for node in nodes if node.gpus], timeout_s=_SURVEY_SECONDS
    )
    return tuple(
        replace(
            node,
            gpu_memory_mb=min(
                (gpu.memory_total_mb for gpu in gpus.get(node.node_id, ()) if gpu.memory_total_mb),
                default=None,
            ),
        )
        for node in nodes
    )


def run_on_nodes(
    function: Callable[[], Result], node_ids: Iterable[str], *, timeout_s: float
) -> dict[str, Result]:
    """Run ``function`` on each node at once; return the results that arrive within the timeout."""
    task: Any = ray.remote(function)
    references = {
        node_id: task.options(
            num_cpus=0,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node_id=node_id, soft=False),
        ).remote()
        for node_id in node_ids
    }
    results = {}
    for node_id, reference in references.items():
        try:
            results[node_id] = ray.get(reference, timeout=timeout_s)
        except ray.exceptions.RayError:
            continue
    return results


def call_named_actors(
    namespace: str, method: str, *, timeout_s: float
) -> Iterator[tuple[str, Any]]:
    """Call ``method`` of each named actor in ``namespace``; yield names and results.

    Actors that have just ended, or exceed the timeout, are left out.
    """
    for entry in list_named_actors(all_namespaces=True):
        if not isinstance(entry, dict) or entry["namespace"] != namespace:
            continue
        try:
            actor: Any = ray.get_actor(entry["name"], namespace=namespace)
            result = ray.get(getattr(actor, method).remote(), timeout=timeout_s)
        except (ValueError, ray.exceptions.RayError):
            continue
        yield entry["name"], result
