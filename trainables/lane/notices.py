"""Notices that a machine of a lane is going to be taken away."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import ray.train

if TYPE_CHECKING:
    from trainables.lane.setup import LaneSetup

_NOTICE_SECONDS = 2.0
"""How often it is asked whether a machine of the lane is going to be taken away."""


class Notices:
    """Whether Ray said that a machine of the lane goes; asked by all ranks at the same moments."""

    def __init__(self, setup: LaneSetup, rank: int) -> None:
        self._setup, self._rank = setup, rank
        self._asked_at = time.monotonic()
        self.heard = False
        """Whether it did; equal on all ranks, and true for good."""

    def due(self) -> bool:
        """Whether it is time to ask again; each rank has its own answer."""
        return not self.heard and time.monotonic() - self._asked_at >= _NOTICE_SECONDS

    def ask(self) -> None:
        """Ask Ray, which compares what the ranks hear."""
        self._asked_at = time.monotonic()
        if self.heard or ray.train.get_preemption_info() is None:
            return
        self.heard = True
        if self._rank == 0:
            self._setup.switchboard.noticed.remote(self._setup.lane)
