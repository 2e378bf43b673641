"""Bin packing of lanes onto nodes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cluster.capacity.nodes import Node

_GRAIN = 10_000
"""Units in a CPU, a GPU or a megabyte; Ray's resolution of fractional resources."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneShape:
    """The resources of one lane."""

    name: str = "lane"
    """Name of the shape."""
    workers: int = 1
    """Ray Train ranks of the lane, >= 1, placed all or none."""
    cpus: float = 1.0
    """CPU cores of each rank, > 0."""
    gpus: float = 0.0
    """GPUs of each rank, >= 0; below 1 a share of one GPU, above 1 whole ones."""
    memory_mb: float = 0.0
    """Host memory of each rank, megabytes of 1e6 bytes, >= 0."""
    gpu_type: str | None = None
    """Required type of GPU; None takes any."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Required labels of its nodes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Demand:
    """The requested number of lanes of one shape."""

    shape: LaneShape
    """The shape."""
    at_least: int = 1
    """Minimum of lanes, >= 0."""
    at_most: int | None = None
    """Maximum of lanes, >= ``at_least``; None takes all that fit."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LanePlace:
    """The placement of one lane."""

    shape: str
    """Name of the lane's shape."""
    nodes: tuple[str, ...]
    """Node of each rank."""
    gpus: tuple[tuple[int, ...], ...]
    """Indices of each rank's GPUs on its node; empty without GPUs."""


def pack(nodes: Iterable[Node], demands: Sequence[Demand]) -> tuple[LanePlace, ...] | None:
    """Return the placement of lanes; None where the minimum of the shapes does not fit.

    First each shape gets its minimum, the hardest to place first. Then one lane of each shape is
    added in turn, in the order given, until none fits. The result does not depend on the order of
    ``nodes``.
    """
    free = [_Free(node) for node in sorted(nodes, key=lambda node: node.node_id)]
    placed: list[LanePlace] = []
    counts = {demand.shape.name: 0 for demand in demands}
    for demand in sorted(demands, key=lambda demand: _hardness(demand.shape), reverse=True):
        for _ in range(demand.at_least):
            place = _place(demand.shape, free)
            if place is None:
                return None
            counts[demand.shape.name] += 1
            placed.append(place)
    open_demands = list(demands)
    while open_demands:
        for demand in tuple(open_demands):
            name = demand.shape.name
            enough = demand.at_most is not None and counts[name] >= demand.at_most
            place = None if enough else _place(demand.shape, free)
            if place is None:
                open_demands.remove(demand)
                continue
            counts[name] += 1
            placed.append(place)
    return tuple(placed)


def room(nodes: Iterable[Node], shape: LaneShape) -> int:
    """Return how many lanes of one shape fit on empty nodes, >= 0."""
    places = pack(nodes, [Demand(shape=shape, at_least=0)])
    return len(places or ())


class _Free:
    """The unused resources of a node, in whole grains."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.cpus = _grains(node.cpus)
        self.memory = None if node.memory_mb is None else _grains(node.memory_mb)
        self.gpus = [_GRAIN] * node.gpus

    def take(self, shape: LaneShape) -> tuple[int, ...] | None:
        """Take one rank's resources and return its GPUs; None, and take nothing, if they lack."""
        if not self.node.suits(shape.gpu_type, shape.labels):
            return None
        cpus, memory = _grains(shape.cpus), _grains(shape.memory_mb)
        if self.cpus < cpus or (self.memory is not None and self.memory < memory):
            return None
        chosen = self._choose(shape.gpus)
        if chosen is None:
            return None
        self.cpus -= cpus
        if self.memory is not None:
            self.memory -= memory
        part = min(_GRAIN, _grains(shape.gpus))
        for index in chosen:
            self.gpus[index] -= part
        return chosen

    def give_back(self, shape: LaneShape, chosen: tuple[int, ...]) -> None:
        """Undo ``take``."""
        self.cpus += _grains(shape.cpus)
        if self.memory is not None:
            self.memory += _grains(shape.memory_mb)
        for index in chosen:
            self.gpus[index] += min(_GRAIN, _grains(shape.gpus))

    def _choose(self, gpus: float) -> tuple[int, ...] | None:
        """Return the GPUs of a rank: unused ones, or the fullest with the share free."""
        if not gpus > 0:
            return ()
        if gpus < 1:
            part = _grains(gpus)
            fitting = [i for i, left in enumerate(self.gpus) if left >= part]
            return (min(fitting, key=lambda i: (self.gpus[i], i)),) if fitting else None
        whole = [i for i, left in enumerate(self.gpus) if left == _GRAIN]
        count = math.ceil(gpus)
        return tuple(whole[:count]) if len(whole) >= count else None


def _place(shape: LaneShape, free: Sequence[_Free]) -> LanePlace | None:
    """Place all ranks of a lane by first fit; None, and take nothing, where they do not fit."""
    taken: list[tuple[_Free, tuple[int, ...]]] = []
    for node in free:
        while len(taken) < shape.workers:
            chosen = node.take(shape)
            if chosen is None:
                break
            taken.append((node, chosen))
    if len(taken) < shape.workers:
        for node, chosen in taken:
            node.give_back(shape, chosen)
        return None
    return LanePlace(
        shape=shape.name,
        nodes=tuple(node.node.node_id for node, _ in taken),
        gpus=tuple(chosen for _, chosen in taken),
    )


def _hardness(shape: LaneShape) -> tuple[float, float, float, int]:
    constrained = len(shape.labels) + (shape.gpu_type is not None)
    return (shape.gpus * shape.workers, shape.workers, shape.cpus, constrained)


def _grains(value: float) -> int:
    return round(value * _GRAIN)
