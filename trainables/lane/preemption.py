"""Polling for preemption notices between the steps of a lane."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_POLL_SECONDS = 2.0
"""A notice may come half a minute before the end; a poll costs a collective of all ranks."""


class PreemptionNotices:
    """Whether a node of the lane has a preemption notice; all ranks poll at the same steps."""

    def __init__(
        self,
        is_noticed: Callable[[], bool],
        report: Callable[[], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Poll ``is_noticed``, a collective; call ``report`` once it returned True."""
        self._is_noticed = is_noticed
        self._report = report
        self._clock = clock
        self._polled_at = clock()
        self.received = False
        """Whether there is a notice; equal on all ranks, never False again."""

    def is_due(self) -> bool:
        """Whether it is time to poll again; each rank has its own clock."""
        return not self.received and self._clock() - self._polled_at >= _POLL_SECONDS

    def poll(self) -> None:
        """Poll now, unless there is a notice already."""
        self._polled_at = self._clock()
        if not self.received and self._is_noticed():
            self.received = True
            self._report()
