"""The time between two checkpoints, in proportion to what a checkpoint costs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SAVE_SHARE = 0.05
"""Largest share of the training time that checkpoints may take."""


class CheckpointInterval:
    """Context around the writing of a checkpoint; the first checkpoint is due at once."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Read the time, in seconds, from ``clock``."""
        self._clock = clock
        self._start = 0.0
        self._next: float | None = None
        self._noticed = False

    def is_due(self) -> bool:
        """Whether the last checkpoint took at most ``SAVE_SHARE`` of the time since then."""
        return self._next is None or self._clock() >= self._next

    def is_due_after_notice(self) -> bool:
        """Whether a checkpoint is due after a preemption notice: the first one is, at once."""
        first, self._noticed = not self._noticed, True
        return first or self.is_due()

    def __enter__(self) -> None:
        self._start = self._clock()

    def __exit__(self, *_: object) -> None:
        end = self._clock()
        self._next = end + (end - self._start) / SAVE_SHARE
