"""The arguments with which a lane's workers start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from trainables.session.messages import LaneTask, TrialDone
    from trainables.session.session import DeviceMonitor, TrialSession


class TrialRunner(Protocol):
    """Runs one trial on every rank of a lane."""

    def __call__(self, task: LaneTask, session: TrialSession) -> TrialDone:
        """Return how the trial ended; must not raise for faults of the configuration."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneSetup:
    """The arguments with which every worker of a lane starts; survives pickling."""

    lane: str
    """Name of the lane."""
    broker: Any
    """Ray actor handle of the sweep's trial broker."""
    quiet_path: str
    """Lock file shared by all processes of a node, see ``QuietNode``."""
    runner: TrialRunner | None = None
    """Runs a trial; None trains it."""
    energy: Callable[[int | None], float | None] | None = None
    """Reads the energy counter of the CUDA device of that index, J; None without counters."""
    max_trials: int = 200
    """Trials after which the lane is recycled, >= 1."""
    max_growth_mb: float = 2048.0
    """Growth of a worker's resident memory over its first idle state at which it is recycled."""
    memory_mb: float | None = None
    """Device memory that a trial here may take, MB of 1e6 bytes; None sets no limit."""
    memory_fraction: float | None = None
    """Share of its GPU's memory that each rank may allocate, (0, 1]; None sets no limit."""
    location: Callable[[], dict[str, object]] | None = None
    """Returns the location of a worker; None announces none."""
    monitor: Callable[[], DeviceMonitor] | None = None
    """Starts to monitor the devices of a rank; None monitors nothing."""
