"""Multi-objective successive halving that stops trials at rungs without waiting for others."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from orchestrator.ledger.events import EpochReported, TrialAsked, TrialEnded, TrialProfiled
from orchestrator.search.schedulers.base import CONTINUE
from orchestrator.search.schedulers.standings import WINDOW, Rung, TrialMetrics, explain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.search.schedulers.base import Decision
    from orchestrator.search.schedulers.ranking import Ranking
    from orchestrator.spec.objectives import Objective


class StoppingAsha:
    """Stops a trial at a rung unless it is in the best part of those that came there.

    The best part is one of ``reduction_factor``, rounded up, so that the first trials go on. Once a
    rung has compared enough trials to fill its window it grows more lenient with every arrival, up
    to ``final_share``: by then a searcher that learns proposes few hopeless ones. Trials are
    compared by all objectives there are values of, the ones known before training among them,
    and by the best they reached so far, since that is what their checkpoints hold.

    Source: Li et al. 2020, A System for Massively Parallel Hyperparameter Tuning (stopping rule).
    """

    def __init__(
        self,
        objectives: Sequence[Objective],
        rungs: Sequence[int],
        *,
        ranking: Ranking,
        reduction_factor: float,
        final_share: float,
    ) -> None:
        self._ranking = ranking
        self._final_share = max(final_share, 1 / reduction_factor)
        self._metrics = TrialMetrics(objectives)
        self._rungs = {epochs: Rung(epochs, ranking, self._metrics) for epochs in rungs}
        self._factor = reduction_factor
        self._epochs: dict[str, int] = {}

    def observe(self, event: SweepEvent) -> None:
        """Take note of costs and epochs; a trial that reaches a rung enters it."""
        match event:
            case TrialAsked():
                self._metrics.begin(event.trial_id, event.known)
            case TrialProfiled():
                self._metrics.profile(event.trial_id, event.metrics)
            case EpochReported():
                self._metrics.report(event.trial_id, event.metrics)
                self._epochs[event.trial_id] = event.epoch
                if event.epoch in self._rungs:
                    self._rungs[event.epoch].enter(event.trial_id)
            case TrialEnded(state=state) if state != "preempted":
                self._metrics.forget(event.trial_id)
                self._epochs.pop(event.trial_id, None)
            case _:
                pass

    def decide(self, trial_id: str) -> Decision:
        """Return whether the trial goes on after its last epoch; between rungs it does."""
        rung = self._rungs.get(self._epochs.get(trial_id, 0))
        if rung is None or trial_id not in rung:
            return CONTINUE
        place = rung.place(trial_id)
        passing = math.ceil(len(rung) * self._share(rung))
        if self.is_broken(trial_id):
            return explain("stop", rung, place, "an objective is not a number")
        if place > passing:
            return explain("stop", rung, place, f"the best {passing} go on")
        return explain("continue", rung, place, f"among the best {passing}")

    def is_broken(self, trial_id: str) -> bool:
        """Whether the trial has an objective that was NaN whenever it was reported."""
        return self._metrics.is_broken(trial_id)

    @property
    def spares_best(self) -> bool:
        """Whether the first of a rung is the one that learned most, whatever it costs."""
        return self._ranking.spares_best

    def _share(self, rung: Rung) -> float:
        return min(self._final_share, max(1.0, rung.arrivals / WINDOW) / self._factor)

    def promote(self) -> str | None:
        """Return None, as nothing is ever paused."""
        return None
