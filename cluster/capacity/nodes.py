"""Nodes of a cluster and their resources."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_TYPE_PREFIX = "accelerator_type:"
MB = 1e6


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """One node of a cluster."""

    node_id: str
    """Identity of the node, unique in the cluster."""
    cpus: float
    """CPU cores, >= 0."""
    gpus: int = 0
    """GPUs, >= 0, all of one type."""
    gpu_type: str | None = None
    """Ray's name of the type, such as ``H100``; None where it is not known."""
    gpu_memory_mb: float | None = None
    """Memory of each GPU, megabytes of 1e6 bytes; None where it is not known."""
    memory_mb: float | None = None
    """Memory for processes, megabytes of 1e6 bytes; None where it is not known."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """The node's labels."""

    def suits(self, gpu_type: str | None, labels: Mapping[str, str]) -> bool:
        """Whether the node has the required type of GPU and all required labels."""
        if gpu_type is not None and gpu_type != self.gpu_type:
            return False
        return all(self.labels.get(name) == value for name, value in labels.items())


def node_of(
    node_id: str, resources: Mapping[str, float], labels: Mapping[str, str] | None = None
) -> Node:
    """Return a node from Ray's resources and labels of it."""
    types = sorted(
        name.removeprefix(_TYPE_PREFIX) for name in resources if name.startswith(_TYPE_PREFIX)
    )
    memory = resources.get("memory")
    return Node(
        node_id=node_id,
        cpus=float(resources.get("CPU", 0)),
        gpus=int(resources.get("GPU", 0)),
        gpu_type=types[0] if types else None,
        memory_mb=None if memory is None else float(memory) / MB,
        labels=dict(labels or {}),
    )


def nodes_of(entries: Iterable[Mapping[str, Any]]) -> tuple[Node, ...]:
    """Return the nodes of ``ray.nodes()`` that are alive, in order of their identity."""
    nodes = [
        node_of(entry["NodeID"], entry["Resources"], entry.get("Labels"))
        for entry in entries
        if entry["Alive"]
    ]
    return tuple(sorted(nodes, key=lambda node: node.node_id))
