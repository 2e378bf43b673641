"""Rungs: the epochs at which a scheduler compares trials."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.search.schedulers.base import Action, Decision

if TYPE_CHECKING:
    from orchestrator.search.schedulers.ranking import Ranking
    from orchestrator.search.schedulers.trial_metrics import TrialMetrics

WINDOW = 30
"""Latest trials that a rung compares. A model-based searcher improves during the sweep, so among
all trials its latest ones would nearly always rank first."""
PAST_TENSES = {"continue": "continued", "stop": "stopped", "pause": "paused"}


class Rung:
    """The latest trials that reached one rung, with their objectives as they were then."""

    def __init__(self, epochs: int, ranking: Ranking, metrics: TrialMetrics) -> None:
        self.epochs = epochs
        self._ranking = ranking
        self._metrics = metrics
        self._values: dict[str, tuple[float, ...]] = {}
        self._order: list[str] | None = None
        self.arrivals = 0
        """Number of trials that ever reached the rung."""

    def __contains__(self, trial_id: str) -> bool:
        """Whether the trial is among the rung's latest ones."""
        return trial_id in self._values

    def __len__(self) -> int:
        return len(self._values)

    def add(self, trial_id: str) -> None:
        """Add a trial with its current objectives; drop the oldest one of a full window."""
        self._values[trial_id] = self._metrics.values(trial_id)
        self._order = None
        self.arrivals += 1
        if len(self._values) > WINDOW:
            del self._values[next(iter(self._values))]

    def order(self) -> list[str]:
        """Return the trials, best first."""
        if self._order is None:
            ids = list(self._values)
            rows = list(self._values.values())
            indices = self._ranking.order(
                rows, epochs=self.epochs, curve_objectives=self._metrics.curve_objectives
            )
            self._order = [ids[i] for i in indices]
        return self._order

    def rank(self, trial_id: str) -> int:
        """Return the trial's rank, 1 for the best."""
        return self.order().index(trial_id) + 1

    def decision(self, action: Action, trial_id: str, why: str) -> Decision:
        """Return the decision on a trial of the rung, with ``why`` as the end of its reason."""
        rank = self.rank(trial_id)
        return Decision(
            action=action,
            rung=self.epochs,
            rank=rank,
            of=len(self),
            reason=rung_reason(action, self.epochs, rank, len(self), why),
        )


def rung_reason(action: Action, epochs: int, rank: int, of: int, why: str) -> str:
    """Return the reason of a decision at a rung as text."""
    return f"{PAST_TENSES[action]} at rung {epochs}: rank {rank} of {of}, {why}"


def rung_epochs(*, grace_period: int, reduction_factor: float, max_epochs: int) -> tuple[int, ...]:
    """Return the rungs in increasing order, in epochs, all below ``max_epochs``.

    The first rung is the grace period; each next one has ``reduction_factor`` times as many epochs,
    rounded.

    Raises:
        ValueError: a grace period or a full training below 1 epoch, or a factor not above 1.
    """
    if not grace_period >= 1:
        raise ValueError(f"the grace period must be at least 1 epoch, got {grace_period}")
    if not reduction_factor > 1:
        raise ValueError(f"the reduction factor must be above 1, got {reduction_factor}")
    if not max_epochs >= 1:
        raise ValueError(f"a full training must have at least 1 epoch, got {max_epochs}")
    rungs: list[int] = []
    level = float(grace_period)
    while round(level) < max_epochs:
        if not rungs or round(level) > rungs[-1]:
            rungs.append(round(level))
        level *= reduction_factor
    return tuple(rungs)
