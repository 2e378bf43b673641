"""What the trial broker composes: task queue, lane registry, mailboxes and actor barriers."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter, deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from trainables.session.messages import TrialMessage


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


class LaneRegistry:
    """Records which lanes are up, which trial each runs and which are excluded.

    A lane that holds a banned device is excluded: it stays up, so that no other lane gets the
    device, and receives no trial.
    """

    def __init__(self) -> None:
        self._locations: dict[str, dict[str, object]] = {}
        self._banned: dict[str, str] = {}
        self._expected: int | None = None
        self._trials: dict[str, str] = {}
        self._capacities: dict[str, float | None] = {}
        self._ended: Counter[str] = Counter()

    def announce(self, lane: str, location: dict[str, object]) -> None:
        """Record that ``lane`` is up at ``location``, a mapping with ``node`` and ``gpus``."""
        self._locations[lane] = location

    def remove(self, lane: str) -> str | None:
        """Record that ``lane`` is down; return the trial that it ran."""
        self._locations.pop(lane, None)
        return self._trials.pop(lane, None)

    def expect(self, lanes: int) -> None:
        """Set the number of lanes that the sweep has or waits for."""
        self._expected = lanes

    def ban(self, devices: dict[str, str]) -> list[str]:
        """Ban devices, given as identity to reason; return the trials on excluded lanes."""
        self._banned.update(devices)
        return [
            trial_id for lane, trial_id in self._trials.items() if self.exclusion(lane) is not None
        ]

    def exclusion(self, lane: str) -> str | None:
        """Return why the lane receives no trial; None where it may."""
        devices = self._locations.get(lane, {}).get("gpus")
        if not isinstance(devices, list):
            return None
        return next((self._banned[device] for device in devices if device in self._banned), None)

    def exhaustion(self) -> str | None:
        """Return why no lane can run a trial; None while one can, or one is still expected."""
        reasons = [reason for lane in self._locations if (reason := self.exclusion(lane))]
        if self._expected is None or not 0 < self._expected <= len(reasons):
            return None
        return f"the device of every lane is banned: {'; '.join(sorted(set(reasons)))}"

    def assign(self, lane: str, trial_id: str, capacity_mb: float | None) -> None:
        """Record that ``lane``, with so much device memory in MB, runs the trial."""
        self._trials[lane] = trial_id
        self._capacities[lane] = capacity_mb

    def trial_on(self, lane: str) -> str | None:
        """Return the trial that the lane runs."""
        return self._trials.get(lane)

    def end_trial(self, lane: str) -> None:
        """Record that the lane's trial ended."""
        del self._trials[lane]
        self._ended[lane] += 1

    def ended_on(self, lane: str) -> int:
        """Return how many trials ended on the lane."""
        return self._ended[lane]

    def capacity_mb(self, lane: str) -> float | None:
        """Return the device memory of the lane, MB; None where it is not limited."""
        return self._capacities.get(lane)

    def rows(self) -> list[dict[str, object]]:
        """Return each lane that is up: name, location, trial or None, ``out`` with the reason."""
        return [
            {"lane": lane, **location, "trial": self.trial_on(lane), "out": self.exclusion(lane)}
            for lane, location in sorted(self._locations.items())
        ]


class Mailbox:
    """Numbers messages from 0 and delivers each at least once.

    A reader may die before or after it forwards its last message. The next reader receives that
    message again and drops duplicates by their numbers.
    """

    def __init__(self) -> None:
        self._messages: deque[TrialMessage] = deque()
        self._first = 0
        self._arrived = asyncio.Event()

    def put(self, message: TrialMessage) -> None:
        """Add a message."""
        self._messages.append(message)
        self._arrived.set()

    async def after(self, number: int) -> tuple[int, list[TrialMessage]]:
        """Wait for messages after ``number``; return the last one's number and all of them.

        Messages up to ``number`` are acknowledged and deleted; -1 acknowledges none.
        """
        while self._messages and self._first <= number:
            self._pop()
        await self._wait()
        return self._first + len(self._messages) - 1, list(self._messages)

    async def take(self) -> TrialMessage:
        """Wait for the next message, delete and return it."""
        await self._wait()
        return self._pop()

    async def _wait(self) -> None:
        while not self._messages:
            self._arrived.clear()
            await self._arrived.wait()

    def _pop(self) -> TrialMessage:
        self._first += 1
        return self._messages.popleft()


class ActorBarrier:
    """Delays the end of a trial until every expected Tune actor has started its first step.

    Tune gives a pending trial to the first free actor and cancels the actor that was being started
    for it. With trials shorter than the start of a process, every trial would start a process and
    most lanes would stay idle.
    """

    def __init__(self) -> None:
        self._expected = 0
        self._started = 0
        self._changed = asyncio.Condition()

    def expect(self, actors: int) -> None:
        """Expect ``actors`` in all, >= 1; a smaller number than before changes nothing."""
        self._expected = max(self._expected, actors)

    async def arrive(self) -> None:
        """Count an actor that runs its first step; Tune may still cancel one that is only up."""
        async with self._changed:
            self._started += 1
            self._changed.notify_all()

    async def wait(self, timeout_s: float) -> None:
        """Return once all expected actors have arrived, or after the timeout in seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s), self._changed:
                await self._changed.wait_for(lambda: self._started >= self._expected)
