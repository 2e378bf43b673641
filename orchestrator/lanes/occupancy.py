"""How much of its lanes a simulated sweep keeps busy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

NO_TRIAL = "nothing left to start"
DECISIONS = "decisions of the driver"
HANDOVER = "hand-over of lanes"


@dataclass(frozen=True, kw_only=True, slots=True)
class Overheads:
    """What a trial costs besides its training."""

    handover_seconds: float = 0.0
    """Time of a lane between the decision and the training, seconds, >= 0."""
    timer: Callable[[], float] | None = None
    """Clock that real decisions are timed with; the driver takes one after the other. None lets
    them cost nothing."""


FREE = Overheads()


class Occupancy:
    """Adds up what lanes do, from when all were filled first to when nothing more could start."""

    def __init__(self, lanes: int) -> None:
        """Begin with ``lanes`` >= 1 that wait."""
        self._lanes = lanes
        self._running = 0
        self._spans: list[tuple[float, float]] = []
        self._filled: float | None = None
        self._dry: float | None = None
        self._waits = {DECISIONS: 0.0, HANDOVER: 0.0}

    def started(self, now: float, *, waited: float, handover: float) -> None:
        """Take note of a trial that got a free lane ``waited`` seconds after ``now``."""
        self._running += 1
        self._waits[DECISIONS] += waited
        self._waits[HANDOVER] += handover
        if self._running == self._lanes and self._filled is None:
            self._filled = now + waited + handover

    def trained(self, begin: float, end: float) -> None:
        """Take note of an epoch that ran from ``begin`` to ``end``."""
        self._spans.append((begin, end))

    def freed(self) -> None:
        """Take note of a lane that waits again."""
        self._running -= 1

    def ran_dry(self, now: float) -> None:
        """Take note that a lane was free and there was nothing to start."""
        if self._dry is None:
            self._dry = now

    def share(self, end: float) -> float | None:
        """Return the busy share of the lanes' time in the steady state, [0, 1]; None without one.

        Args:
            end: End of the sweep, seconds.
        """
        begin, last = self._filled, min(end, end if self._dry is None else self._dry)
        if begin is None or not last > begin:
            return None
        busy = sum(max(0.0, min(b, last) - max(a, begin)) for a, b in self._spans)
        return busy / (self._lanes * (last - begin))

    def bottleneck(self) -> str:
        """Return what lanes waited for most."""
        name, seconds = max(self._waits.items(), key=lambda item: item[1])
        return name if seconds > 0 else NO_TRIAL
