"""Which of the trials that wait a free lane gets."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

PATIENCE_SECONDS = 600.0
"""How long a trial waits for a lane of its size before any lane will do: in a smaller one its
batches are computed in smaller parts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """A trial that waits for a lane."""

    need_mb: float | None
    """Device memory it is expected to take at most, MB; None where that is not known."""
    since: float
    """When it began to wait, seconds on the clock of ``now``."""


def choose(
    waiting: Sequence[Waiting],
    capacity_mb: float | None,
    largest_mb: float | None,
    *,
    now: float,
    patience_s: float = PATIENCE_SECONDS,
) -> int | None:
    """Return the place of the trial that a lane gets: the first that fits, None without one.

    A trial that needs more than the largest lane has, or one whose need is not known, counts as
    one that needs the largest.

    Args:
        waiting: In the order in which they are to be served.
        capacity_mb: Memory of the lane, MB; None has room for any.
        largest_mb: Memory of the largest lanes of the sweep, MB; None where all are alike.
        now: Time, seconds.
        patience_s: Wait after which a trial is given to any lane, seconds, >= 0.
    """
    if capacity_mb is None or largest_mb is None:
        return 0 if waiting else None
    for place, each in enumerate(waiting):
        need = min(math.inf if each.need_mb is None else each.need_mb, largest_mb)
        if need <= capacity_mb or now - each.since >= patience_s:
            return place
    return None
