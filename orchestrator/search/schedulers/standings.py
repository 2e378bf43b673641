"""Standings: which trials came to a rung with what."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from orchestrator.search.schedulers.base import Action, Decision

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.search.schedulers.ranking import Ranking
    from orchestrator.spec.objectives import Objective

WINDOW = 30
"""Number of trials, the most recent ones, that a rung compares with: a searcher that learns gets
better all the time, so that among all trials ever its latest would always be in front."""


class TrialMetrics:
    """What is known of every trial: its costs and the best of its learned objectives so far."""

    def __init__(self, objectives: Sequence[Objective]) -> None:
        self._objectives = tuple(objectives)
        self._metrics: dict[str, dict[str, float]] = {}
        self.learned: set[str] = set()
        """Names of the objectives that epochs report."""

    def begin(self, trial_id: str, known: Mapping[str, float]) -> None:
        """Start a trial with the metrics known before training."""
        self._metrics[trial_id] = self._relevant(known)

    def profile(self, trial_id: str, metrics: Mapping[str, float]) -> None:
        """Take in measured costs, which replace what was known."""
        self._metrics.setdefault(trial_id, {}).update(self._relevant(metrics))

    def report(self, trial_id: str, metrics: Mapping[str, float]) -> None:
        """Take in an epoch's metrics; a value that is worse than an earlier one is not kept."""
        held = self._metrics.setdefault(trial_id, {})
        for objective in self._objectives:
            value = metrics.get(objective.name)
            if value is None:
                continue
            self.learned.add(objective.name)
            best = held.get(objective.name, math.nan)
            better = min if objective.direction == "minimize" else max
            held[objective.name] = value if math.isnan(best) else best
            if not math.isnan(value):
                held[objective.name] = better(value, held[objective.name])

    def is_broken(self, trial_id: str) -> bool:
        """Whether the trial has an objective that was NaN whenever it was reported."""
        return any(math.isnan(value) for value in self._metrics.get(trial_id, {}).values())

    def of(self, trial_id: str) -> tuple[float, ...]:
        """Return the trial's value of every objective; NaN where there is none yet."""
        held = self._metrics.get(trial_id, {})
        return tuple(held.get(objective.name, math.nan) for objective in self._objectives)

    def forget(self, trial_id: str) -> None:
        """Drop a trial that is over."""
        self._metrics.pop(trial_id, None)

    def _relevant(self, metrics: Mapping[str, float]) -> dict[str, float]:
        return {o.name: metrics[o.name] for o in self._objectives if o.name in metrics}


class Rung:
    """The trials that reached one rung, with their objectives as they were there."""

    def __init__(self, epochs: int, ranking: Ranking, metrics: TrialMetrics) -> None:
        self.epochs = epochs
        self._ranking = ranking
        self._metrics = metrics
        self._entries: dict[str, tuple[float, ...]] = {}
        self._order: list[str] | None = None
        self.arrivals = 0
        """Number of trials that ever came here."""

    def __contains__(self, trial_id: str) -> bool:
        """Whether the trial is among the rung's recent ones."""
        return trial_id in self._entries

    def __len__(self) -> int:
        """Return the number of trials the rung compares."""
        return len(self._entries)

    def enter(self, trial_id: str) -> None:
        """Add a trial as it is now; the oldest gives way when the window is full."""
        self._entries[trial_id] = self._metrics.of(trial_id)
        self._order = None
        self.arrivals += 1
        if len(self._entries) > WINDOW:
            del self._entries[next(iter(self._entries))]

    def order(self) -> list[str]:
        """Return the trials, best first."""
        if self._order is None:
            ids = list(self._entries)
            found = self._ranking.order(
                list(self._entries.values()), epochs=self.epochs, learned=self._metrics.learned
            )
            self._order = [ids[i] for i in found]
        return self._order

    def place(self, trial_id: str) -> int:
        """Return the trial's place, 1 for the best."""
        return self.order().index(trial_id) + 1


def explain(action: Action, rung: Rung, place: int, why: str) -> Decision:
    """Return a decision with its reason in words."""
    word = {"continue": "went on", "stop": "stopped", "pause": "paused"}[action]
    return Decision(
        action=action,
        rung=rung.epochs,
        rank=place,
        of=len(rung),
        reason=f"{word} at rung {rung.epochs}: rank {place} of {len(rung)}, {why}",
    )
