"""The queue between trials that wait and lanes that are free."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter, deque
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from orchestrator.lanes.choice import Waiting, choose
from orchestrator.lanes.mailbox import Mailbox
from orchestrator.lanes.places import Places
from orchestrator.lanes.roll import Roll
from trainables.session.messages import Interrupted, TrialDone, TrialTask

if TYPE_CHECKING:
    from collections.abc import Callable

    from trainables.session.messages import Interruption, LaneTask, TrialMessage

_NODE_LOSSES = (
    "node has died",
    "node was terminated",
    "node is dead",
    "node died",
    "node failure",
    "raylet died",
    "preempt",
)
STARTING_SECONDS = 60.0
"""How long the end of a trial waits for the other actors of the same run of Tune to start."""
LINGER_SECONDS = 0.01
"""How long a message waits for the trial's end, to reach Tune in one result with it."""
Order: TypeAlias = "LaneTask | Literal['idle', 'close']"


@dataclass(slots=True)
class _Entry:
    task: LaneTask
    ticket: str = ""
    messages: Mailbox = field(default_factory=Mailbox)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    lost: int = 0
    """Lanes that died while they ran the trial, and may have died of it."""
    noticed: bool = False
    """Whether the machine of the lane that runs it was said to go."""
    unfit: bool = False
    """Whether a device of the lane that runs it was taken out."""
    need_mb: float | None = None
    since: float = 0.0
    done: bool = False


class Switchboard:
    """Hands tasks to lanes, passes their messages to whoever started the trial.

    An asyncio object, run as one Ray actor per sweep; tests drive it in a plain event loop. A trial
    whose lane died is given to the next free one, from its checkpoint, until ``max_lost`` lanes
    have died of it.
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
        self._turns = 0
        self._clock = clock
        self._entries: dict[str, _Entry] = {}
        self._queue: deque[str] = deque()
        self._arrived = asyncio.Condition()
        self._in_flight: dict[str, str] = {}
        self._ended: Counter[str] = Counter()
        self._capacities: dict[str, float | None] = {}
        self._places = Places()
        self._closing = False
        self._abandoned: str | None = None
        self._rolls: dict[int, Roll] = {}

    async def submit(self, task: LaneTask, ticket: str = "") -> None:
        """Queue ``task``; a trial that is queued or running already is left alone.

        So is one that is over where the ``ticket`` is the same: whoever held it was lost before it
        could hear of the end.
        """
        entry = self._entries.get(task.trial_id)
        if entry is not None and (not entry.done or (ticket and entry.ticket == ticket)):
            entry.ticket = ticket
            return
        need = getattr(task, "memory_mb", None)
        self._entries[task.trial_id] = _Entry(task, ticket, need_mb=need)
        if self._abandoned is not None:
            await self._preempt(task.trial_id, self._abandoned)
        else:
            await self._enqueue(task.trial_id)

    async def want_actors(self, run: int, actors: int) -> None:
        """Expect so many actors in Tune's ``run``."""
        await self._roll(run).want(actors)

    async def actor_up(self, run: int) -> None:
        """Count an actor of Tune's ``run`` that has started."""
        await self._roll(run).up()

    def _roll(self, run: int) -> Roll:
        return self._rolls.setdefault(run, Roll())

    async def take(self, lane: str, timeout_s: float, memory_mb: float | None = None) -> Order:
        """Return the next task for ``lane``; ``"idle"`` after the timeout; ``"close"`` at the end.

        A lane that takes again without having ended its task lost it in a restart: the task is
        queued again first. ``memory_mb`` is what a trial on the lane may take of its device; None
        has room for any.
        """
        if lane in self._in_flight:
            await self.lane_lost(lane, "the lane's workers were restarted")
        try:
            async with asyncio.timeout(timeout_s), self._arrived:
                while (place := self._choose(lane, memory_mb)) is None and not self._closing:
                    await self._arrived.wait()
                if self._closing or place is None:
                    return "close"
                trial_id = self._queue[place]
                del self._queue[place]
        except TimeoutError:
            return "idle"
        self._capacities[lane] = memory_mb
        self._in_flight[lane] = trial_id
        return self._in_turn(self._entries[trial_id].task)

    async def emit(self, lane: str, message: TrialMessage) -> None:
        """Pass on what the trial on ``lane`` said; any other trial's words are dropped."""
        if self._in_flight.get(lane) != message.trial_id:
            return
        entry = self._entries[message.trial_id]
        if isinstance(message, TrialDone):
            del self._in_flight[lane]
            self._ended[lane] += 1
            if self._did_not_fit(lane, message, entry):
                entry.need_mb = math.inf
                entry.task = replace(entry.task, resume=True)
                await self._enqueue(message.trial_id, first=True)
                return
            self._finish(entry)
        entry.messages.put(message)

    async def next_message(self, trial_id: str) -> TrialMessage:
        """Wait for the trial's next message and return it; after its end, forget the trial."""
        message = await self._entries[trial_id].messages.take()
        if isinstance(message, TrialDone):
            self._entries.pop(trial_id, None)
        return message

    async def first_messages(
        self, task: LaneTask, ticket: str, run: int
    ) -> tuple[int, list[TrialMessage]]:
        """Submit ``task`` and return the first messages of its trial with the last one's number."""
        await self.submit(task, ticket)
        return await self.messages_after(task.trial_id, -1, run)

    async def messages_after(
        self, trial_id: str, number: int, run: int
    ) -> tuple[int, list[TrialMessage]]:
        """Wait for messages of the trial after ``number``; return them with the last one's number.

        They may be asked for again, the end too, until ``forget`` says that it was recorded. An end
        that follows closely comes along. It also waits until the actors of Tune's ``run`` have
        started, for a while: of several that are free before, Tune keeps one.
        """
        entry = self._entries[trial_id]
        await entry.messages.after(number)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._linger_s):
                await entry.cancelled.wait()
        last, messages = await entry.messages.after(number)
        if isinstance(messages[-1], TrialDone):
            await self._roll(run).complete(STARTING_SECONDS)
        return last, messages

    async def forget(self, recorded: list[tuple[str, str]]) -> None:
        """Forget trials whose end is recorded, each with the ticket it was submitted with."""
        for trial_id, ticket in recorded:
            entry = self._entries.get(trial_id)
            if entry is not None and entry.done and entry.ticket == ticket:
                del self._entries[trial_id]

    async def cancel(self, trial_id: str) -> None:
        """Ask the trial to end; one that still waits for a lane ends at once."""
        entry = self._entries.get(trial_id)
        if entry is None or entry.done:
            return
        entry.cancelled.set()
        if trial_id in self._queue:
            self._queue.remove(trial_id)
            self._finish(entry)
            entry.messages.put(_end(trial_id, "stopped", "stopped before it began"))

    async def wait_cancelled(self, trial_id: str) -> None:
        """Return once the trial is cancelled or over."""
        entry = self._entries.get(trial_id)
        if entry is not None:
            await entry.cancelled.wait()

    async def lane_lost(self, lane: str, reason: str) -> int:
        """Queue what ran on ``lane`` again, ahead of all others; after too many losses end it.

        A machine that is lost, or was said to go, is no fault of the trial and does not count.
        Return how many trials ended on the lane so far.
        """
        self._places.remove(lane)
        trial_id = self._in_flight.pop(lane, None)
        if trial_id is not None:
            await self._lose(trial_id, reason)
        return self._ended[lane]

    async def _lose(self, trial_id: str, reason: str) -> None:
        entry = self._entries[trial_id]
        cause = "node" if entry.unfit else _cause(reason, noticed=entry.noticed)
        entry.lost += cause == "worker"
        entry.noticed = entry.unfit = False
        entry.messages.put(Interrupted(trial_id=trial_id, cause=cause, reason=reason))
        if entry.cancelled.is_set() or entry.lost >= self._max_lost:
            self._finish(entry)
            state: Literal["stopped", "failed"] = (
                "stopped" if entry.lost < self._max_lost else "failed"
            )
            text = f"{entry.lost} lane(s) died while running it, the last one because: {reason}"
            entry.messages.put(_end(trial_id, state, text))
            return
        entry.task = replace(entry.task, resume=True)
        await self._enqueue(trial_id, first=True)

    async def fail_waiting(self, reason: str) -> None:
        """End every trial that waits for a lane, and that will: no lane is left to run it.

        It is none of their faults, so they are preempted.
        """
        self._abandoned = reason
        while self._queue:
            await self._preempt(self._queue.popleft(), reason)

    async def noticed(self, lane: str) -> None:
        """Take note that the machine of ``lane`` was said to go."""
        trial_id = self._in_flight.get(lane)
        if trial_id is None:
            return
        entry = self._entries[trial_id]
        if not entry.noticed:
            entry.messages.put(Interrupted(trial_id=trial_id, cause="notice", reason=""))
        entry.noticed = True

    async def announce(self, lane: str, place: dict[str, object]) -> None:
        """Take note that ``lane`` is up with where it is, such as its node.

        One that holds a device that was banned gets no trial.
        """
        self._places.add(lane, place)
        await self._end_without_lanes()

    async def ban(self, devices: dict[str, str]) -> None:
        """Use the devices no more; ``devices`` says why of each, by its identity.

        What runs on them goes on elsewhere and is not to blame.
        """
        self._places.ban(devices)
        for lane, trial_id in self._in_flight.items():
            if self._places.out(lane) is not None:
                self._entries[trial_id].unfit = True

    async def expect(self, lanes: int) -> None:
        """Take note that there are to be so many lanes; where all of them are out, trials end."""
        self._places.expect(lanes)
        await self._end_without_lanes()

    async def lanes(self) -> list[dict[str, object]]:
        """Return each lane that is up: name, place, trial or None, why it is out or None."""
        return [
            {**row, "trial": self._in_flight.get(str(row["lane"]))} for row in self._places.rows()
        ]

    async def snapshot(self) -> dict[str, str]:
        """Return which trial runs on which lane."""
        return dict(self._in_flight)

    async def close(self) -> None:
        """Send the lanes home and cancel what runs on them."""
        self._closing = True
        for entry in self._entries.values():
            entry.cancelled.set()
        async with self._arrived:
            self._arrived.notify_all()

    async def _end_without_lanes(self) -> None:
        reason = self._places.exhausted
        if reason is not None:
            await self.fail_waiting(reason)

    async def _preempt(self, trial_id: str, reason: str) -> None:
        entry = self._entries[trial_id]
        self._finish(entry)
        entry.messages.put(_end(trial_id, "preempted", reason))

    async def _enqueue(self, trial_id: str, *, first: bool = False) -> None:
        async with self._arrived:
            if first:
                self._queue.appendleft(trial_id)
            else:
                self._queue.append(trial_id)
            self._entries[trial_id].since = self._clock()
            self._arrived.notify_all()

    def _in_turn(self, task: LaneTask) -> LaneTask:
        """Return the task with the turn that shuts every earlier lane out of its folder."""
        self._turns += 1
        return (
            replace(task, turn=(self._driver, self._turns)) if isinstance(task, TrialTask) else task
        )

    def _choose(self, lane: str, capacity_mb: float | None) -> int | None:
        if self._places.out(lane) is not None:
            return None
        waiting = [
            Waiting(need_mb=entry.need_mb, since=entry.since)
            for entry in (self._entries[trial_id] for trial_id in self._queue)
        ]
        return choose(waiting, capacity_mb, self._largest_mb, now=self._clock())

    def _did_not_fit(self, lane: str, done: TrialDone, entry: _Entry) -> bool:
        """Whether a larger lane may still have the memory that the trial lacked here."""
        capacity = self._capacities.get(lane)
        small = capacity is not None and capacity < (self._largest_mb or 0)
        return done.state == "infeasible" and small and not entry.cancelled.is_set()

    @staticmethod
    def _finish(entry: _Entry) -> None:
        entry.done = True
        entry.cancelled.set()


def is_loss_of_node(reason: str) -> bool:
    """Whether Ray's words say that a machine was lost, with all that ran on it."""
    text = reason.lower()
    return any(each in text for each in _NODE_LOSSES)


def _cause(reason: str, *, noticed: bool) -> Interruption:
    if noticed or "preempt" in reason.lower():
        return "preemption"
    return "node" if is_loss_of_node(reason) else "worker"


def _end(trial_id: str, state: Literal["stopped", "failed", "preempted"], reason: str) -> TrialDone:
    return TrialDone(trial_id=trial_id, state=state, reason=reason, metrics={})
