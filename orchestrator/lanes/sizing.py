"""Sizes and numbers of a sweep's lanes on the nodes of a cluster."""

from __future__ import annotations

import logging
import math
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

import numpy as np

from cluster.capacity.memory import CONTEXT_MB, MemoryModel, learn, size_lanes
from cluster.capacity.packing import Demand, LaneShape, pack
from cluster.capacity.resources import ResourceError, lane_shape, lanes_on
from orchestrator.ledger.history import RESERVED, stored_trainings
from search_spaces.config import TrialConfig
from trainables.cost.training_memory import training_memory_mb

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cluster.capacity.nodes import Node
    from orchestrator.spec.sweep_spec import SweepSpec
    from search_spaces.space import Config
    from trainables.config import Precision


@dataclass(frozen=True, kw_only=True, slots=True)
class LanePlan:
    """The number of lanes of one shape and their limits."""

    lanes: int
    """Warm worker groups, >= 1; as many trials run at once."""
    shape: LaneShape = field(default_factory=LaneShape)
    """Resources of each lane; several ranks train with DDP."""
    max_trials: int = 200
    """Trials after which a lane is recycled, >= 1."""
    memory_mb: float | None = None
    """Device memory that a trial on a lane may take, MB of 1e6 bytes; None sets no limit."""
    gpu_memory_mb: float | None = None
    """Memory of the smallest GPU that it may get, MB; None where it is not known."""

    def __str__(self) -> str:
        share = f", {self.shape.gpus:g} GPU each" if self.shape.gpus else ""
        return f"{self.lanes} lane(s) of {self.shape.workers} worker(s){share}"

    @property
    def memory_fraction(self) -> float | None:
        """Share of a GPU's memory that each rank may allocate; None for whole GPUs.

        The CUDA context of each process takes its memory from the same share, outside PyTorch's
        allocator. So all processes on a GPU together fit on it.
        """
        if not 0 < self.shape.gpus < 1:
            return None
        return self.shape.gpus - CONTEXT_MB / (self.gpu_memory_mb or math.inf)

    @property
    def resources(self) -> dict[str, float]:
        """Resources that each rank requests from Ray."""
        resources = {"CPU": self.shape.cpus}
        if self.shape.gpus > 0:
            resources["GPU"] = self.shape.gpus
        if self.shape.memory_mb > 0:
            resources["memory"] = self.shape.memory_mb * 1e6
        return resources


SAMPLES = 24
"""Random configurations whose memory determines the sizes of lanes."""


class LaneSizing:
    """The lanes of one sweep: sizes, numbers, and the memory that a configuration needs."""

    def __init__(self, spec: SweepSpec, num_classes: int) -> None:
        """Fit the memory model to earlier sweeps, where the spec packs by memory."""
        self._spec = spec
        self._need: Callable[[Config], float] | None = None
        self.model = MemoryModel()
        if spec.resources.packing == "memory":
            self._need = estimated_needs(spec, num_classes, spec.training.precision)
            self.model = memory_model(spec, num_classes)

    def need_mb(self, config: Config) -> float | None:
        """Return the most memory that a configuration takes, MB; None without memory packing."""
        return None if self._need is None else self.model.upper_mb(self._need(config))

    def plans(self, nodes: Sequence[Node], *, may_grow: bool = False) -> tuple[LanePlan, ...]:
        """Return the lanes to start; see ``lane_plans``."""
        if self._need is None or not any(node.gpu_memory_mb for node in nodes):
            return lane_plans(self._spec, nodes, may_grow=may_grow)
        rng = np.random.default_rng(self._spec.search.seed)
        configs = [self._spec.space.sample(rng) for _ in range(SAMPLES)]
        configs += [dict(baseline.config) for baseline in self._spec.baselines]
        return lane_plans(
            self._spec,
            nodes,
            [self.model.upper_mb(self._need(config)) for config in configs],
            may_grow=may_grow,
        )

    def counts(self, plans: Sequence[LanePlan], nodes: Sequence[Node]) -> list[int]:
        """Return how many lanes of each plan fit now; see ``lane_counts``."""
        if len(plans) > 1:
            lanes = {plan.shape.gpus: plan.lanes for plan in self.plans(nodes)}
            if set(lanes) == {plan.shape.gpus for plan in plans}:
                return [lanes[plan.shape.gpus] for plan in plans]
        return lane_counts(plans, nodes, self._spec.resources.lanes)


def lane_plans(
    spec: SweepSpec,
    nodes: Sequence[Node],
    needs_mb: Sequence[float] = (),
    *,
    may_grow: bool = False,
) -> tuple[LanePlan, ...]:
    """Return the lanes of ``spec`` on these nodes, the smallest first.

    Args:
        spec: The sweep.
        nodes: The nodes of the cluster.
        needs_mb: Most device memory of sample configurations, MB; for packing by memory.
        may_grow: Whether nodes may join; see ``lanes_on``.

    Raises:
        ResourceError: no lane fits, or fewer than the spec requests; or the share of a GPU has no
            memory beside the CUDA context.
    """
    resources = spec.resources
    shape = lane_shape(resources, available_gpus=sum(node.gpus for node in nodes))
    suitable = [node for node in nodes if node.suits(shape.gpu_type, shape.labels)]
    gpu_memory_mb = min(
        (node.gpu_memory_mb for node in suitable if node.gpus and node.gpu_memory_mb), default=None
    )
    sizes = places = None
    if resources.packing != "fixed" and needs_mb and gpu_memory_mb is not None:
        sizes = size_lanes(
            needs_mb, gpus=sum(node.gpus for node in suitable), gpu_memory_mb=gpu_memory_mb
        )
        demands = [
            Demand(
                shape=replace(shape, name=f"1/{round(1 / size.share)}", gpus=size.share),
                at_most=max(1, round(size.gpus / size.share) // shape.workers),
            )
            for size in sizes
        ]
        places = pack(nodes, demands)
    if sizes is None or places is None:
        lanes = lanes_on(resources, shape, nodes, may_grow=may_grow)
        plan = LanePlan(lanes=lanes, shape=shape, gpu_memory_mb=gpu_memory_mb)
        if plan.memory_fraction is not None and not plan.memory_fraction > 0:
            raise ResourceError(
                f"{shape.gpus:g} of a GPU of {gpu_memory_mb:.0f} MB has no memory beside a "
                f"process's CUDA context of {CONTEXT_MB:.0f} MB; raise resources.gpus_per_worker"
            )
        return (plan,)
    return tuple(
        LanePlan(
            lanes=sum(place.shape == demand.shape.name for place in places),
            shape=demand.shape,
            memory_mb=size.memory_mb,
            gpu_memory_mb=gpu_memory_mb,
        )
        for demand, size in zip(demands, sizes, strict=True)
    )


def lane_counts(plans: Sequence[LanePlan], nodes: Sequence[Node], most: int | None) -> list[int]:
    """Return how many lanes of each plan fit on the nodes as they are now.

    Args:
        plans: The lanes with which the sweep started.
        nodes: The nodes of the cluster now.
        most: Lanes that the spec requests; None takes all that fit.
    """
    demands = [
        Demand(shape=replace(plan.shape, name=str(number)), at_least=0, at_most=most)
        for number, plan in enumerate(plans)
    ]
    places = pack(nodes, demands) or ()
    return [sum(place.shape == str(number) for place in places) for number in range(len(plans))]


def memory_model(spec: SweepSpec, num_classes: int) -> MemoryModel:
    """Return the memory model of the GPU trainings of earlier sweeps in the storage folder.

    The memory of CPU trainings differs, so they do not count. The reserved memory of a training is
    what a lane's limit applies to; trainings of earlier releases have the allocated memory alone.
    """
    return learn(
        (
            estimated_needs(spec, num_classes, past.precision)(past.config),
            past.costs.get(RESERVED, past.costs["peak_memory_mb"]),
        )
        for past in stored_trainings(spec)
        if past.on_gpu and "peak_memory_mb" in past.costs
    )


def estimated_needs(
    spec: SweepSpec, num_classes: int, precision: Precision
) -> Callable[[Config], float]:
    """Return a function from a configuration to the estimated memory of a rank on a GPU, MB."""

    def need(config: Config) -> float:
        typed = TrialConfig.from_mapping(config)
        images = -(-typed.batch_size // spec.resources.train_workers)
        return training_memory_mb(typed, num_classes, images, half=precision != "fp32")

    return need


_LOG = logging.getLogger(__name__)
POLL_SECONDS = 5.0


class Elastic:
    """Context in which lanes are added as nodes join, and the expected number falls with losses."""

    def __init__(
        self,
        room: Callable[[], Sequence[int]],
        resize: Callable[[Sequence[int]], None],
        *,
        seconds: float = POLL_SECONDS,
    ) -> None:
        """Poll ``room`` in a thread and pass its changes to ``resize``.

        Args:
            room: Returns how many lanes of each plan fit now; after an error nothing changes.
            resize: Sets the number of lanes of each plan.
            seconds: Time between two polls, > 0.
        """
        self._room = room
        self._resize = resize
        self._seconds = seconds
        self._end = threading.Event()
        self._last: list[int] | None = None
        self._thread = threading.Thread(target=self._run, name="elastic", daemon=True)

    def poll(self) -> None:
        """Poll once."""
        try:
            lanes = list(self._room())
        except Exception as error:  # noqa: BLE001 - the head node may answer at the next poll
            _LOG.warning("the resources of the cluster cannot be read: %s", error)
            return
        if lanes != self._last:
            self._resize(lanes)
            self._last = lanes

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(self._seconds):
            self.poll()
