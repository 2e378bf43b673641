"""How many lanes there are, each with what it holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True, slots=True)
class LanePlan:
    """How many lanes there are and what each holds."""

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
    """Device memory that a trial on a lane may take, MB of 1e6 bytes; None: whatever there is."""
    host_memory_mb: float = 0.0
    """Host memory that is kept for each rank, MB of 1e6 bytes, >= 0; 0 keeps none."""
    gpu_type: str | None = None
    """Type of GPU that its nodes must have; None takes any."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels that its nodes must have."""

    def __str__(self) -> str:
        share = f", {self.gpus_per_worker:g} GPU each" if self.gpus_per_worker else ""
        return f"{self.lanes} lane(s) of {self.train_workers} worker(s){share}"

    @property
    def memory_fraction(self) -> float | None:
        """Share of its GPU's memory that each rank is held to; None where the GPU is its own."""
        return self.gpus_per_worker if 0 < self.gpus_per_worker < 1 else None

    @property
    def resources(self) -> dict[str, float]:
        """What each rank asks of Ray."""
        found = {"CPU": self.cpus_per_worker}
        if self.gpus_per_worker > 0:
            found["GPU"] = self.gpus_per_worker
        if self.host_memory_mb > 0:
            found["memory"] = self.host_memory_mb * 1e6
        return found
