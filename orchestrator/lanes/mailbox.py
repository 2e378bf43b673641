"""The messages of one trial, kept until whoever asked for them has them for sure."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainables.session.messages import TrialMessage


class Mailbox:
    """Numbers messages from 0 and gives each as often as it is asked for, until a later one is.

    A reader that dies may have handed its last message on, or not: the next reader gets that one
    again and tells by its number. What a dead reader still waits for is lost to nobody.
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
        """Wait for messages after ``number``; return the last one's number with all of them.

        Those up to ``number``, -1 for none, are forgotten.
        """
        self._forget(number)
        await self._some()
        return self._first + len(self._messages) - 1, list(self._messages)

    async def take(self) -> TrialMessage:
        """Wait for the next message, return it and forget it."""
        await self._some()
        self._first += 1
        return self._messages.popleft()

    async def _some(self) -> None:
        while not self._messages:
            self._arrived.clear()
            await self._arrived.wait()

    def _forget(self, number: int) -> None:
        while self._messages and self._first <= number:
            self._messages.popleft()
            self._first += 1
