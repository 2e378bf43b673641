"""The number of lanes of one shape and their limits."""

from __future__ import annotations

from dataclasses import dataclass, field

from cluster.capacity.packing import LaneShape


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

    def __str__(self) -> str:
        share = f", {self.shape.gpus:g} GPU each" if self.shape.gpus else ""
        return f"{self.lanes} lane(s) of {self.shape.workers} worker(s){share}"

    @property
    def memory_fraction(self) -> float | None:
        """Share of a GPU's memory that each rank may allocate; None for whole GPUs."""
        return self.shape.gpus if 0 < self.shape.gpus < 1 else None

    @property
    def resources(self) -> dict[str, float]:
        """Resources that each rank requests from Ray."""
        resources = {"CPU": self.shape.cpus}
        if self.shape.gpus > 0:
            resources["GPU"] = self.shape.gpus
        if self.shape.memory_mb > 0:
            resources["memory"] = self.shape.memory_mb * 1e6
        return resources
