"""A barrier for the actors of one Tune run."""

from __future__ import annotations

import asyncio
from contextlib import suppress


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
