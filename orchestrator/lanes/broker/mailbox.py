"""The messages of one trial, kept until their reader acknowledges them."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainables.session.messages import TrialMessage


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
