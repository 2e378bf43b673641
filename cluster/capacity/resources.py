"""Resources of lanes, and how many lanes fit on the available nodes."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - the spec's reader looks the type up
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from annotated_types import Ge, Gt, MinLen

from cluster.capacity.nodes import Node
from cluster.capacity.packing import LaneShape, room

if TYPE_CHECKING:
    from collections.abc import Sequence

Packing: TypeAlias = Literal["fixed", "memory"]
"""Shares of a GPU as given, or computed from the memory of trainings."""


class ResourceError(ValueError):
    """The requested lanes do not fit on the available nodes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Resources:
    """The number of lanes and the resources of each."""

    lanes: Annotated[int, Ge(1)] | None = None
    """Trials trained at the same time; None fills the cluster."""
    train_workers: Annotated[int, Ge(1)] = 1
    """Ray Train ranks that train one trial together; above 1 they run DDP."""
    cpus_per_worker: Annotated[float, Gt(0)] = 1
    """CPU cores of each rank."""
    gpus_per_worker: Annotated[float, Ge(0)] | None = None
    """GPUs of each rank; below 1 several ranks share one; None takes one where there is one,
    else none."""
    packing: Packing = "fixed"
    """``memory`` gives lanes the part of a GPU that most configurations fit in, larger ones to the
    others; ``gpus_per_worker`` is then left out."""
    memory_gb_per_worker: Annotated[float, Gt(0)] | None = None
    """Host memory kept for each rank, GB of 1e9 bytes; None keeps none."""
    gpu_type: Annotated[str, MinLen(1)] | None = None
    """Type of GPU that lanes need, as Ray calls it (``H100``, ``A10G``, ...); None takes any."""
    node_labels: Mapping[str, str] = field(default_factory=dict)
    """Labels that the nodes of lanes must have, such as ``ray.io/market-type: spot``."""
    address: Annotated[str, MinLen(1)] | None = None
    """Address of a running Ray cluster (``auto`` finds it); None starts a local Ray."""


def gpus_per_worker(resources: Resources, *, available_gpus: float) -> float:
    """Return the GPUs of each rank, >= 0; where unset, from the available GPUs."""
    if resources.gpus_per_worker is not None:
        return resources.gpus_per_worker
    return 1.0 if available_gpus >= 1 else 0.0


def lane_shape(resources: Resources, *, available_gpus: float) -> LaneShape:
    """Return the resources of one lane; where GPUs are unset, from the available GPUs."""
    return LaneShape(
        workers=resources.train_workers,
        cpus=resources.cpus_per_worker,
        gpus=gpus_per_worker(resources, available_gpus=available_gpus),
        memory_mb=1000 * (resources.memory_gb_per_worker or 0),
        gpu_type=resources.gpu_type,
        labels=resources.node_labels,
    )


def lanes_on(
    resources: Resources, shape: LaneShape, nodes: Sequence[Node], *, may_grow: bool = False
) -> int:
    """Return the number of lanes of ``shape`` to start on these nodes, >= 1.

    Args:
        resources: The requested lanes.
        shape: The resources of each.
        nodes: The nodes now.
        may_grow: Whether nodes may join; ``resources.lanes`` lanes are then started in any case,
            and wait for nodes.

    Raises:
        ResourceError: no lane fits, or fewer than ``resources.lanes``.
    """
    if may_grow and resources.lanes is not None:
        return resources.lanes
    fitting = room(nodes, shape)
    wanted = 1 if resources.lanes is None else resources.lanes
    if fitting >= wanted:
        return fitting if resources.lanes is None else resources.lanes
    suitable = [node for node in nodes if node.suits(shape.gpu_type, shape.labels)]
    offers = ", ".join(f"{node.cpus:g} CPU(s) with {node.gpus} GPU(s)" for node in suitable[:8])
    constraint = "".join(
        f" {name}={value}"
        for name, value in [("gpu_type", shape.gpu_type), *shape.labels.items()]
        if value
    )
    raise ResourceError(
        f"{wanted} lane(s) of {shape.workers} train worker(s) with {shape.cpus:g} CPU(s) and "
        f"{shape.gpus:g} GPU(s) each do not fit on the {len(suitable)} of {len(nodes)} node(s) "
        f"that suit{constraint or ' them'} ({offers or 'none'}): room for {fitting}; lower "
        f"resources.lanes, resources.train_workers, resources.cpus_per_worker or "
        f"resources.gpus_per_worker"
        + ("; or set resources.lanes: those lanes then wait for nodes" if may_grow else "")
    )


def plan_lanes(resources: Resources, *, available_cpus: float, available_gpus: float) -> int:
    """Return the number of lanes on one node with these CPUs and GPUs; see ``lanes_on``."""
    node = Node(
        node_id="",
        cpus=available_cpus,
        gpus=int(available_gpus),
        gpu_type=resources.gpu_type,
        labels=resources.node_labels,
    )
    return lanes_on(resources, lane_shape(resources, available_gpus=available_gpus), [node])
