"""Requests to stop by Ctrl-C or SIGTERM."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

DUPLICATE_SECONDS = 2.0
"""A second SIGTERM within this window is ignored: a parent process such as ``uv run`` forwards the
signal that the process group received already."""


class StopSignals:
    """Turns the first Ctrl-C or SIGTERM into a request to stop; the second one raises.

    A context manager. ``arm`` installs the handlers again after a library replaced them.
    """

    def __init__(self, on_stop: Callable[[str], None]) -> None:
        """Install nothing yet; ``on_stop`` receives a line for the user at the first signal."""
        self._on_stop = on_stop
        self._previous: dict[signal.Signals, Any] = {}
        self._first: tuple[int, float] | None = None

    def asked(self) -> bool:
        """Whether a stop was requested."""
        return self._first is not None

    def arm(self) -> None:
        """Install the handlers, replacing any others."""
        for each in (signal.SIGINT, signal.SIGTERM):
            previous = signal.signal(each, self._handle)
            self._previous.setdefault(each, previous)

    def __enter__(self) -> Self:
        """Install the handlers."""
        self.arm()
        return self

    def __exit__(self, *_: object) -> None:
        """Restore the handlers from before."""
        for each, handler in self._previous.items():
            signal.signal(each, handler)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._first is not None:
            first, at = self._first
            if number == first == signal.SIGTERM and now - at < DUPLICATE_SECONDS:
                return
            raise KeyboardInterrupt
        self._first = (number, now)
        self._on_stop("stopping after the current step; press Ctrl-C again to exit at once")
