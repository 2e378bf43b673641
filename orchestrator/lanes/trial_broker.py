"""The actor that hands trials to lanes and relays their messages to the driver."""

from __future__ import annotations

import asyncio
import math
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from orchestrator.lanes.queues import ActorBarrier, LaneRegistry, Mailbox, TaskQueue
from orchestrator.lanes.restart import interruption_cause
from trainables.session.messages import Interrupted, TrialDone, TrialTask

if TYPE_CHECKING:
    from collections.abc import Callable

    from trainables.session.messages import LaneTask, TrialMessage


STARTING_SECONDS = 60.0
"""How long the end of a trial waits for the other actors of the same Tune run to start."""
LINGER_SECONDS = 0.01
"""How long a message waits for the trial's end, so that one Tune result carries both."""
Order: TypeAlias = "LaneTask | Literal['idle', 'close']"
"""What a lane receives: a task, ``idle`` to ask again, or ``close`` to end."""


@dataclass(slots=True)
class _Trial:
    task: LaneTask
    ticket: str
    need_mb: float | None
    """Device memory that it needs at most, MB; None where that is not known."""
    mailbox: Mailbox = field(default_factory=Mailbox)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    """Set at a stop request and at the end."""
    lost_lanes: int = 0
    """Lanes that died while they ran the trial, node losses not counted."""
    notice_received: bool = False
    """Whether the node of its lane has a preemption notice."""
    unfit: bool = False
    """Whether a device of its lane was banned."""
    done: bool = False

    def finish(self, end: TrialDone) -> None:
        """Record the end."""
        self.done = True
        self.cancelled.set()
        self.mailbox.put(end)

    def end(self, state: Literal["stopped", "failed", "preempted"], reason: str) -> None:
        """Record an end that no lane reports."""
        end = TrialDone(trial_id=self.task.trial_id, state=state, reason=reason, metrics={})
        self.finish(end)


class TrialBroker:
    """Composes task queue, lane registry, mailboxes and actor barriers of one sweep.

    Runs as one asyncio Ray actor per sweep; tests call it in a plain event loop. A trial whose lane
    died is assigned to the next free lane and resumes from its checkpoint, until ``max_lost`` lanes
    have died while they ran it.
    """

    def __init__(
        self,
        max_lost: int = 3,
        largest_mb: float | None = None,
        driver: int = 1,
        linger_s: float = LINGER_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_lost = max_lost
        self._largest_mb = largest_mb
        self._driver = driver
        self._linger_s = linger_s
        self._assignments = 0
        self._trials: dict[str, _Trial] = {}
        self._queue = TaskQueue(largest_mb, clock=clock)
        self._lanes = LaneRegistry()
        self._barriers: defaultdict[int, ActorBarrier] = defaultdict(ActorBarrier)
        self._changed = asyncio.Condition()
        self._closing = False
        self._no_lanes: str | None = None

    # Calls of the driver and of Tune's actors

    async def submit(self, task: LaneTask, ticket: str = "") -> None:
        """Queue ``task``, unless its trial is queued or runs already.

        A trial that has ended is not queued either where the ``ticket`` is the same: the reader
        that held the ticket died before it received the end.
        """
        trial = self._trials.get(task.trial_id)
        if trial is not None and (not trial.done or (ticket and trial.ticket == ticket)):
            trial.ticket = ticket
            return
        trial = _Trial(task, ticket, need_mb=getattr(task, "memory_mb", None))
        self._trials[task.trial_id] = trial
        if self._no_lanes is not None:
            trial.end("preempted", self._no_lanes)
        else:
            await self._enqueue(trial)

    async def next_message(self, trial_id: str) -> TrialMessage:
        """Wait for the trial's next message and return it; delete the trial at its end."""
        message = await self._trials[trial_id].mailbox.take()
        if isinstance(message, TrialDone):
            self._trials.pop(trial_id, None)
        return message

    async def first_messages(
        self, task: LaneTask, ticket: str, run: int
    ) -> tuple[int, list[TrialMessage]]:
        """Submit ``task``; return as ``messages_after`` does from the first message on."""
        await self.submit(task, ticket)
        return await self.messages_after(task.trial_id, -1, run)

    async def messages_after(
        self, trial_id: str, number: int, run: int
    ) -> tuple[int, list[TrialMessage]]:
        """Wait for messages of the trial after ``number``; return the last one's number with them.

        Messages stay available until a later number is passed, the end until ``forget``. An end
        that follows within the linger time is included. It is delayed until the actors of Tune's
        ``run`` have started; see ``ActorBarrier``.
        """
        trial = self._trials[trial_id]
        await trial.mailbox.after(number)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._linger_s):
                await trial.cancelled.wait()
        last, messages = await trial.mailbox.after(number)
        if isinstance(messages[-1], TrialDone):
            await self._barriers[run].wait(STARTING_SECONDS)
        return last, messages

    async def forget(self, recorded: list[tuple[str, str]]) -> None:
        """Delete trials whose end is in the ledger, given as trial and ticket."""
        for trial_id, ticket in recorded:
            trial = self._trials.get(trial_id)
            if trial is not None and trial.done and trial.ticket == ticket:
                del self._trials[trial_id]

    async def cancel(self, trial_id: str) -> None:
        """Request a stop of the trial; one that is queued ends at once."""
        trial = self._trials.get(trial_id)
        if trial is None or trial.done:
            return
        trial.cancelled.set()
        if self._queue.remove(trial_id):
            trial.end("stopped", "stopped before it started")

    async def expect_actors(self, run: int, actors: int) -> None:
        """Expect so many actors in Tune's ``run``."""
        self._barriers[run].expect(actors)

    async def actor_started(self, run: int) -> None:
        """Count an actor of Tune's ``run`` that runs its first step."""
        await self._barriers[run].arrive()

    async def expect_lanes(self, lanes: int) -> None:
        """Set the number of lanes; where all of them are excluded, queued trials end."""
        self._lanes.expect(lanes)
        await self._preempt_if_exhausted()

    async def preempt_queued(self, reason: str) -> None:
        """End every queued and every later trial as preempted: no lane is left."""
        self._no_lanes = reason
        for trial_id in self._queue.drain():
            self._trials[trial_id].end("preempted", reason)

    async def lane_lost(self, lane: str, reason: str) -> int:
        """Queue the lane's trial before all others; return how many trials ended on the lane.

        The trial fails after ``max_lost`` losses. The loss of a node, and any loss after a
        preemption notice, does not count.
        """
        trial_id = self._lanes.remove(lane)
        if trial_id is not None:
            await self._requeue(self._trials[trial_id], reason)
        return self._lanes.ended_on(lane)

    async def lanes(self) -> list[dict[str, object]]:
        """Return each lane that is up; see ``LaneRegistry.rows``."""
        return self._lanes.rows()

    async def close(self) -> None:
        """Order every lane to close and cancel all trials."""
        self._closing = True
        for trial in self._trials.values():
            trial.cancelled.set()
        await self._notify()

    # Calls of the lanes

    async def announce(self, lane: str, location: dict[str, object]) -> None:
        """Record that ``lane`` is up at ``location``."""
        self._lanes.announce(lane, location)
        await self._preempt_if_exhausted()

    async def take(self, lane: str, timeout_s: float, memory_mb: float | None = None) -> Order:
        """Return the next task for ``lane``; ``"idle"`` after the timeout; ``"close"`` at the end.

        A lane that takes again before the end of its trial was restarted: that trial is queued
        again first.

        Args:
            lane: Name of the lane.
            timeout_s: Longest wait, seconds.
            memory_mb: Device memory of the lane, MB; None fits every trial.
        """
        if self._lanes.trial_on(lane) is not None:
            await self.lane_lost(lane, "the lane's workers were restarted")
        try:
            async with asyncio.timeout(timeout_s), self._changed:
                while (trial_id := self._dequeue(lane, memory_mb)) is None:
                    if self._closing:
                        return "close"
                    await self._changed.wait()
        except TimeoutError:
            return "idle"
        self._lanes.assign(lane, trial_id, memory_mb)
        return self._with_fencing_token(self._trials[trial_id].task)

    async def emit(self, lane: str, message: TrialMessage) -> None:
        """Put a message into its trial's mailbox; drop it where the lane runs another trial."""
        if self._lanes.trial_on(lane) != message.trial_id:
            return
        trial = self._trials[message.trial_id]
        if not isinstance(message, TrialDone):
            trial.mailbox.put(message)
            return
        self._lanes.end_trial(lane)
        if self._needs_larger_lane(lane, message, trial):
            trial.need_mb = math.inf
            await self._enqueue_resumed(trial)
        else:
            trial.finish(message)

    async def wait_cancelled(self, trial_id: str) -> None:
        """Return once the trial is cancelled or has ended."""
        trial = self._trials.get(trial_id)
        if trial is not None:
            await trial.cancelled.wait()

    async def notice_received(self, lane: str) -> None:
        """Record that the node of ``lane`` has a preemption notice."""
        trial = self._trials.get(self._lanes.trial_on(lane) or "")
        if trial is not None and not trial.notice_received:
            trial.notice_received = True
            notice = Interrupted(trial_id=trial.task.trial_id, cause="notice", reason="")
            trial.mailbox.put(notice)

    async def ban(self, devices: dict[str, str]) -> None:
        """Ban devices, given as identity to reason; their trials are not charged with the loss."""
        for trial_id in self._lanes.ban(devices):
            self._trials[trial_id].unfit = True

    # Shared steps

    def _dequeue(self, lane: str, memory_mb: float | None) -> str | None:
        if self._closing or self._lanes.exclusion(lane) is not None:
            return None
        return self._queue.take(memory_mb)

    async def _requeue(self, trial: _Trial, reason: str) -> None:
        cause = interruption_cause(reason, notice_received=trial.notice_received, unfit=trial.unfit)
        trial.lost_lanes += cause == "worker"
        trial.notice_received = trial.unfit = False
        interruption = Interrupted(trial_id=trial.task.trial_id, cause=cause, reason=reason)
        trial.mailbox.put(interruption)
        exhausted = trial.lost_lanes >= self._max_lost
        if exhausted or trial.cancelled.is_set():
            text = f"{trial.lost_lanes} lane(s) died while they ran it, the last because: {reason}"
            trial.end("failed" if exhausted else "stopped", text)
            return
        await self._enqueue_resumed(trial)

    async def _enqueue_resumed(self, trial: _Trial) -> None:
        trial.task = replace(trial.task, resume=True)
        await self._enqueue(trial, first=True)

    async def _enqueue(self, trial: _Trial, *, first: bool = False) -> None:
        self._queue.put(trial.task.trial_id, trial.need_mb, first=first)
        await self._notify()

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _preempt_if_exhausted(self) -> None:
        reason = self._lanes.exhaustion()
        if reason is not None:
            await self.preempt_queued(reason)

    def _with_fencing_token(self, task: LaneTask) -> LaneTask:
        """Return the task with a token later than every earlier one; see ``Claim``."""
        self._assignments += 1
        if not isinstance(task, TrialTask):
            return task
        return replace(task, fencing_token=(self._driver, self._assignments))

    def _needs_larger_lane(self, lane: str, done: TrialDone, trial: _Trial) -> bool:
        """Whether the trial ran out of memory on a lane that is not one of the largest."""
        capacity_mb = self._lanes.capacity_mb(lane)
        is_small = capacity_mb is not None and capacity_mb < (self._largest_mb or 0)
        return done.state == "infeasible" and is_small and not trial.cancelled.is_set()
