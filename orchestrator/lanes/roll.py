"""The roll of Tune actors: how many a run of Tune wants, how many are up."""

from __future__ import annotations

import asyncio
from contextlib import suppress


class Roll:
    """Lets the ends of trials wait until every actor that was asked for is at work.

    Tune gives a waiting trial to the first actor that is free, and ends the one that was being
    started for it. With trials shorter than the start of a process it would start one for every
    trial, and most lanes would stay empty.
    """

    def __init__(self) -> None:
        self._wanted = 0
        self._up = 0
        self._changed = asyncio.Condition()

    async def want(self, actors: int) -> None:
        """Expect ``actors`` in all, >= 1; fewer than before change nothing."""
        self._wanted = max(self._wanted, actors)

    async def up(self) -> None:
        """Count an actor that Tune has set to work; one that is merely up it may end again."""
        async with self._changed:
            self._up += 1
            self._changed.notify_all()

    async def complete(self, timeout_s: float) -> None:
        """Wait until all that are expected are at work, no longer than the timeout."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s), self._changed:
                await self._changed.wait_for(lambda: self._up >= self._wanted)
