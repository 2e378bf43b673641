"""The number of lanes of one size and their resources."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True, slots=True)
class LanePlan:
    """The number of lanes of one size and the resources of each."""

    lanes: int
    """Warm worker groups, >= 1; as many trials run at once."""
    train_workers: int = 1
    """Ray Train ranks per lane, >= 1; more than one trains with DDP."""
    cpus_per_worker: float = 1.0
    """CPU share of each rank, > 0."""
    gpus_per_worker: float = 0.0
    """GPU share of each rank, >= 0."""
    max_trials: int = 200
    """Trials after which a lane is recycled, >= 1."""
    memory_mb: float | None = None
    """Device memory that a trial on a lane may take, MB of 1e6 bytes; None sets no limit."""
    host_memory_mb: float = 0.0
    """Host memory that each rank reserves, MB of 1e6 bytes, >= 0."""
    gpu_type: str | None = None
    """Required type of GPU; None takes any."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Required labels of its nodes."""

    def __str__(self) -> str:
        share = f", {self.gpus_per_worker:g} GPU each" if self.gpus_per_worker else ""
        return f"{self.lanes} lane(s) of {self.train_workers} worker(s){share}"

    @property
    def memory_fraction(self) -> float | None:
        """Share of a GPU's memory that each rank may allocate; None for whole GPUs."""
        return self.gpus_per_worker if 0 < self.gpus_per_worker < 1 else None

    @property
    def resources(self) -> dict[str, float]:
        """Resources that each rank requests from Ray."""
        resources = {"CPU": self.cpus_per_worker}
        if self.gpus_per_worker > 0:
            resources["GPU"] = self.gpus_per_worker
        if self.host_memory_mb > 0:
            resources["memory"] = self.host_memory_mb * 1e6
        return resources
