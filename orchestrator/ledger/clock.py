"""The clock of a sweep, which never goes back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.ledger.ledger import Ledger


BEGUN = "begun"
"""Fact of a ledger that says when the sweep began, seconds since 1970."""


def sweep_start(ledger: Ledger) -> float:
    """Return when the sweep began first, seconds since 1970; now where it begins."""
    kept = ledger.fact(BEGUN)
    if isinstance(kept, float):
        return kept
    now = time.time()
    ledger.set_fact(BEGUN, now)
    return now


class SweepClock:
    """Seconds since the sweep began; setting the machine's clock neither stops nor turns it.

    The wall clock is read once, as the driver starts; from there on time passes by the monotonic
    clock.
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
            begun: When the sweep began, seconds since 1970.
            at_least: What the clock showed at the sweep's last event, seconds.
            wall: Says the time, seconds since 1970.
            monotonic: Says the time since any moment, seconds; never goes back.
        """
        self._monotonic = monotonic
        self._start = max(wall() - begun, at_least)
        self._since = monotonic()

    def __call__(self) -> float:
        """Return the seconds since the sweep began, >= ``at_least``."""
        return self._start + self._monotonic() - self._since
