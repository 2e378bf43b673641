"""The stop rule for a front that no longer grows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from orchestrator.ledger.events import TrialEnded
from orchestrator.search.pareto import default_reference_point, hypervolume, pareto_front
from search_spaces.space import config_digest

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.ledger.records import TrialRecord
    from orchestrator.spec.objectives import Objective

_FIRST = 8
"""Trials that settle the reference point."""


class Stagnation:
    """Counts trained trials in a row without a larger hypervolume; state comes from ``observe``.

    Complete and stopped trials count with their last metrics. The reference point is that of the
    first eight of them, so that later values compare.
    """

    def __init__(
        self,
        objectives: Sequence[Objective],
        *,
        patience: int | None,
        tolerance: float = 0.01,
        exempt: Collection[str] = (),
    ) -> None:
        """Take the rule.

        Args:
            objectives: What the front is spanned by.
            patience: Trained trials in a row that may end without growth, >= 1; None for ever.
            tolerance: Relative growth that counts as none, >= 0.
            exempt: Digests of configurations whose trials do not count, such as baselines.
        """
        self._exempt = frozenset(exempt)
        self._objectives = tuple(objectives)
        self._patience = patience
        self._tolerance = tolerance
        self._points: list[list[float]] = []
        self._reference: Mapping[str, float] | None = None
        self._best = 0.0
        self._since = 0

    @property
    def reached(self) -> bool:
        """Whether as many trials in a row as the patience brought no growth."""
        return self._patience is not None and self._since >= self._patience

    @property
    def trials_left(self) -> int | None:
        """Trained trials in a row without growth that reach it; None where that is not known yet.

        It is known once the first trials have settled the reference point.
        """
        if self._patience is None or self._reference is None:
            return None
        return max(0, self._patience - self._since)

    def observe(self, event: SweepEvent, record: TrialRecord) -> None:
        """Count the end of a trained trial; events come in ledger order, each once."""
        if self._patience is None or not isinstance(event, TrialEnded):
            return
        if record.state not in {"complete", "stopped"}:
            return
        if not self._exempt or config_digest(record.config) not in self._exempt:
            self._add(record.metrics)

    def _add(self, metrics: Mapping[str, float]) -> None:
        point = [metrics.get(objective.name, math.nan) for objective in self._objectives]
        if not all(map(math.isfinite, point)):
            return
        self._points.append(point)
        if self._reference is None and len(self._points) < _FIRST:
            return
        if self._reference is None:
            self._reference = default_reference_point(self._points, self._objectives)
        self._points = [self._points[i] for i in pareto_front(self._points, self._objectives)]
        volume = hypervolume(self._points, self._objectives, self._reference)
        if volume > self._best * (1 + self._tolerance):
            self._best, self._since = volume, 0
        else:
            self._since += 1
