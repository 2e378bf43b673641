"""How many lanes fit on the machines at hand."""

from __future__ import annotations

import math
from collections.abc import Mapping  # noqa: TC003 - the spec's reader looks the type up
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from annotated_types import Ge, Gt, MinLen

from cluster.capacity.packing import LaneShape, room

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cluster.capacity.nodes import Node

Packing: TypeAlias = Literal["fixed", "memory"]
"""Shares of a GPU as they are given, or worked out from the memory that trainings need."""


class ResourceError(ValueError):
    """The lanes asked for do not fit on the machines at hand."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Resources:
    """What a lane holds while trials pass through it, with the number of lanes."""

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
    """Return the GPUs of each rank, >= 0, with None settled by what is available."""
    if resources.gpus_per_worker is not None:
        return resources.gpus_per_worker
    return 1.0 if available_gpus >= 1 else 0.0


def lane_shape(resources: Resources, *, available_gpus: float, name: str = "lane") -> LaneShape:
    """Return what one lane holds, with what is left open settled by what is available."""
    return LaneShape(
        name=name,
        workers=resources.train_workers,
        cpus=resources.cpus_per_worker,
        gpus=gpus_per_worker(resources, available_gpus=available_gpus),
        memory_mb=1000 * (resources.memory_gb_per_worker or 0),
        gpu_type=resources.gpu_type,
        labels=resources.node_labels,
    )


def lanes_on(
    resources: Resources, shape: LaneShape, nodes: Sequence[Node], *, more_to_come: bool = False
) -> int:
    """Return the number of lanes of ``shape`` to start on these nodes, >= 1.

    Args:
        resources: What is wanted of each lane.
        shape: What each takes.
        nodes: The nodes there are.
        more_to_come: Whether nodes may join; as many lanes as ``resources.lanes`` says are then
            started whatever fits now, and wait for room.

    Raises:
        ResourceError: Not one lane fits, or fewer than ``resources.lanes`` do.
    """
    if more_to_come and resources.lanes is not None:
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
        + ("; or name resources.lanes, which then wait for nodes" if more_to_come else "")
    )


def plan_lanes(resources: Resources, *, available_cpus: float, available_gpus: float) -> int:
    """Return the number of lanes to start, >= 1.

    Args:
        resources: What is wanted of each lane.
        available_cpus: CPU cores of the whole cluster.
        available_gpus: GPUs of the whole cluster.

    Raises:
        ResourceError: Not one lane fits, or fewer than ``resources.lanes`` do.
    """
    gpus = gpus_per_worker(resources, available_gpus=available_gpus)
    workers = min(
        _whole(available_cpus / resources.cpus_per_worker),
        _workers_on_gpus(gpus, available_gpus),
    )
    fitting = workers // resources.train_workers
    wanted = 1 if resources.lanes is None else resources.lanes
    if fitting < wanted:
        raise ResourceError(
            f"{wanted} lane(s) of {resources.train_workers} train worker(s) with "
            f"{resources.cpus_per_worker:g} CPU(s) and {gpus:g} GPU(s) each do not fit on "
            f"{available_cpus:g} CPU(s) and {available_gpus:g} GPU(s): room for {fitting}; lower "
            f"resources.lanes, resources.train_workers, resources.cpus_per_worker or "
            f"resources.gpus_per_worker"
        )
    return fitting if resources.lanes is None else resources.lanes


def _workers_on_gpus(each: float, available: float) -> int:
    """Ranks that fit on the GPUs; a share of a GPU never spans two of them."""
    if not each > 0:
        return 2**31
    if each < 1:
        return _whole(available) * _whole(1 / each)
    return _whole(available / each)


def _whole(value: float) -> int:
    """Round down, forgiving the last digits of a division such as 0.3 / 0.1."""
    return math.floor(value + 1e-9)
