"""How often a state is worth the time that saving it takes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SAVE_SHARE = 0.05
"""Largest share of the time that saving may take."""


class Pacer:
    """Context around a saving that says when the next one is due; the first is at once."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Read the time, in seconds, from ``clock``."""
        self._clock = clock
        self._start = 0.0
        self._next: float | None = None

    def is_due(self) -> bool:
        """Whether so much time has passed since the last saving that it took ``SAVE_SHARE``."""
        return self._next is None or self._clock() >= self._next

    def __enter__(self) -> None:
        self._start = self._clock()

    def __exit__(self, *_: object) -> None:
        end = self._clock()
        self._next = end + (end - self._start) / SAVE_SHARE
