"""Energy that the devices of a trial use in a phase of its work."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Self

from trainables.session.session import MetersEnergy

if TYPE_CHECKING:
    from types import TracebackType

    from trainables.session.ranks import Ranks
    from trainables.session.session import TrialSession


class EnergyUse:
    """Context whose ``joules`` is the energy that its body used on the devices of all ranks.

    Entered and left by all ranks together.

    Attributes:
        joules: Energy, J; None before the end of the body, after a body that raised, and where the
            device of a rank has no meter.
        seconds: Duration of the body, s.
    """

    def __init__(self, session: TrialSession, ranks: Ranks) -> None:
        self.joules: float | None = None
        self.seconds = 0.0
        self._session, self._ranks = session, ranks
        self._before, self._start = 0.0, 0.0

    @property
    def watts(self) -> float | None:
        """Mean power, W; None where the energy is unknown or no time has passed."""
        if self.joules is None or not self.seconds > 0:
            return None
        return self.joules / self.seconds

    def __enter__(self) -> Self:
        """Read the meter."""
        self._before, self._start = self._reading(), time.perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Read the meter again."""
        self.seconds = time.perf_counter() - self._start
        if error is None:
            used = self._ranks.total(self._reading() - self._before)
            self.joules = used if math.isfinite(used) else None

    def _reading(self) -> float:
        session = self._session
        joules = session.energy_joules() if isinstance(session, MetersEnergy) else None
        return math.nan if joules is None else joules
