"""Every trial's current value of each objective, as schedulers compare it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from orchestrator.ledger.events import EpochReported, TrialAsked, TrialEnded, TrialProfiled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.spec.objectives import Objective


class TrialMetrics:
    """Holds the latest costs and the best value so far of each objective that epochs report."""

    def __init__(self, objectives: Sequence[Objective]) -> None:
        self._objectives = tuple(objectives)
        self._metrics: dict[str, dict[str, float]] = {}
        self.curve_objectives: set[str] = set()
        """Names of the objectives that epochs report."""

    def observe(self, event: SweepEvent) -> None:
        """Update the state by one event; measured costs replace known ones."""
        match event:
            case TrialAsked():
                self._metrics[event.trial_id] = self._objectives_in(event.known)
            case TrialProfiled():
                known = self._metrics.setdefault(event.trial_id, {})
                known.update(self._objectives_in(event.metrics))
            case EpochReported():
                self._report(event)
            case TrialEnded() if event.state != "preempted":
                self._metrics.pop(event.trial_id, None)
            case _:
                pass

    def has_nan(self, trial_id: str) -> bool:
        """Whether the trial has an objective that was NaN whenever it was reported."""
        return any(math.isnan(value) for value in self._metrics.get(trial_id, {}).values())

    def values(self, trial_id: str) -> tuple[float, ...]:
        """Return the trial's value of each objective; NaN where it has none yet."""
        metrics = self._metrics.get(trial_id, {})
        return tuple(metrics.get(objective.name, math.nan) for objective in self._objectives)

    def _report(self, event: EpochReported) -> None:
        metrics = self._metrics.setdefault(event.trial_id, {})
        for name, value in self._objectives_in(event.metrics).items():
            self.curve_objectives.add(name)
            best = metrics.get(name, math.nan)
            if math.isnan(best) or math.isnan(value):
                metrics[name] = value if math.isnan(best) else best
            else:
                metrics[name] = self._better(name, value, best)

    def _better(self, name: str, a: float, b: float) -> float:
        direction = next(o.direction for o in self._objectives if o.name == name)
        return min(a, b) if direction == "minimize" else max(a, b)

    def _objectives_in(self, metrics: Mapping[str, float]) -> dict[str, float]:
        return {o.name: metrics[o.name] for o in self._objectives if o.name in metrics}
