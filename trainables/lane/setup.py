"""What the workers of a lane are started with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from trainables.session.messages import LaneTask, TrialDone
    from trainables.session.session import LaneWatch, TrialSession


class TrialRunner(Protocol):
    """Runs one trial on every rank of a lane."""

    def __call__(self, task: LaneTask, session: TrialSession) -> TrialDone:
        """Return how the trial ended; must not raise for the configuration's own faults."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneSetup:
    """What every worker of a lane is started with; survives pickling."""

    lane: str
    """Name of the lane."""
    switchboard: Any
    """Ray actor handle of the sweep's switchboard."""
    quiet_path: str
    """File that everything on one node meets at while a latency is measured."""
    runner: TrialRunner | None = None
    """Runs a trial; None for real training."""
    energy: Callable[[int | None], float | None] | None = None
    """Reads the energy counter of the CUDA device of that index, J; None where nothing meters."""
    max_trials: int = 200
    """Trials after which the lane is recycled, >= 1."""
    max_growth_mb: float = 2048.0
    """Growth of a worker's resident memory over its first idle state at which it is recycled."""
    memory_mb: float | None = None
    """Device memory that a trial here may take, MB of 1e6 bytes; None: whatever there is."""
    memory_fraction: float | None = None
    """Share of its GPU's memory that each rank is held to, (0, 1]; None holds it to nothing."""
    place: Callable[[], dict[str, object]] | None = None
    """Says where a worker is, for whoever looks at the cluster; None says nothing."""
    watch: Callable[[], LaneWatch] | None = None
    """Begins to watch the devices of a rank; None watches nothing."""
