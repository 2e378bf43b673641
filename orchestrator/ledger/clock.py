"""The monotonic clock of a sweep."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.ledger.ledger import Ledger


BEGUN = "begun"
"""Fact of a ledger: start of the sweep, seconds since 1970."""


def sweep_start(ledger: Ledger) -> float:
    """Return the recorded start of the sweep, seconds since 1970; record now for a new one."""
    start = ledger.fact(BEGUN)
    if isinstance(start, float):
        return start
    now = time.time()
    ledger.set_fact(BEGUN, now)
    return now


class SweepClock:
    """Seconds since the sweep started, unaffected by changes of the wall clock.

    It reads the wall clock once, at the driver's start, and then the monotonic clock.
    """

    def __init__(
        self,
        begun: float,
        *,
        at_least: float = 0.0,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start from the wall clock.

        Args:
            begun: Start of the sweep, seconds since 1970.
            at_least: Time of the sweep's last event, seconds; the clock starts no earlier.
            wall: Returns the time, seconds since 1970.
            monotonic: Returns seconds since any moment; never decreases.
        """
        self._monotonic = monotonic
        self._start = max(wall() - begun, at_least)
        self._since = monotonic()

    def __call__(self) -> float:
        """Return the seconds since the sweep started, >= ``at_least``."""
        return self._start + self._monotonic() - self._since
