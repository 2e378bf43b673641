"""The queue of trials that wait for a lane."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_SECONDS = 600.0
"""Wait after which a trial may run on a lane that is too small for it, seconds. Such a lane splits
each batch into more micro-batches."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _QueuedTrial:
    trial_id: str
    need_mb: float | None
    since: float


class TaskQueue:
    """Trials that wait for a lane, first in, first out among those that fit on it."""

    def __init__(
        self,
        largest_mb: float | None = None,
        *,
        patience_s: float = PATIENCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Create an empty queue.

        Args:
            largest_mb: Device memory of the sweep's largest lanes, MB; None where all are alike.
            patience_s: Wait after which a trial is given to any lane, seconds, >= 0.
            clock: Returns the time, seconds.
        """
        self._largest_mb = largest_mb
        self._patience_s = patience_s
        self._clock = clock
        self._waiting: list[_QueuedTrial] = []

    def put(self, trial_id: str, need_mb: float | None = None, *, first: bool = False) -> None:
        """Add a trial at the end, or at the front.

        Args:
            trial_id: The trial.
            need_mb: Device memory that it needs at most, MB; None where that is not known.
            first: Whether it is served before all others.
        """
        queued = _QueuedTrial(trial_id=trial_id, need_mb=need_mb, since=self._clock())
        self._waiting.insert(0 if first else len(self._waiting), queued)

    def take(self, capacity_mb: float | None) -> str | None:
        """Remove and return the first trial that fits on a lane; None where none does.

        A trial whose need is unknown, or exceeds the largest lane, needs the largest lane.

        Args:
            capacity_mb: Device memory of the lane, MB; None fits every trial.
        """
        now = self._clock()
        for place, queued in enumerate(self._waiting):
            if self._fits(queued, capacity_mb) or now - queued.since >= self._patience_s:
                return self._waiting.pop(place).trial_id
        return None

    def remove(self, trial_id: str) -> bool:
        """Remove a trial; return whether it was queued."""
        before = len(self._waiting)
        self._waiting = [queued for queued in self._waiting if queued.trial_id != trial_id]
        return len(self._waiting) < before

    def drain(self) -> list[str]:
        """Remove and return all trials, in order."""
        trial_ids = [queued.trial_id for queued in self._waiting]
        self._waiting.clear()
        return trial_ids

    def _fits(self, queued: _QueuedTrial, capacity_mb: float | None) -> bool:
        if capacity_mb is None or self._largest_mb is None:
            return True
        need_mb = math.inf if queued.need_mb is None else queued.need_mb
        return min(need_mb, self._largest_mb) <= capacity_mb
