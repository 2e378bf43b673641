"""Multi-objective ASHA, which stops trials at rungs, or pauses and promotes them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from orchestrator.ledger.events import EpochReported, TrialEnded, TrialStarted
from orchestrator.search.schedulers.base import CONTINUE, Decision
from orchestrator.search.schedulers.rungs import WINDOW, Rung, TrialMetrics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.search.schedulers.rungs import Ranking
    from orchestrator.spec.objectives import Objective


class StoppingAsha:
    """Stops a trial at a rung unless it ranks in the top share of the trials that reached it.

    The share is 1 / ``reduction_factor``, rounded up, so that the first trials continue. Once a
    rung's window is full, the share grows with every arrival, up to ``final_share``: by then a
    model-based searcher proposes few poor configurations. Trials are compared by every objective
    with a value, known costs among them, and by their best epoch, since their checkpoint holds it.

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
        """Update costs and epochs; a trial that reaches a rung is added to it."""
        self._metrics.observe(event)
        if isinstance(event, EpochReported):
            self._epochs[event.trial_id] = event.epoch
            if event.epoch in self._rungs:
                self._rungs[event.epoch].add(event.trial_id)
        elif isinstance(event, TrialEnded) and event.state != "preempted":
            self._epochs.pop(event.trial_id, None)

    def decide(self, trial_id: str) -> Decision:
        """Return whether the trial continues after its last epoch; between rungs it does."""
        rung = self._rungs.get(self._epochs.get(trial_id, 0))
        if rung is None or trial_id not in rung:
            return CONTINUE
        passing = math.ceil(len(rung) * self._share(rung))
        if self.has_nan(trial_id):
            return rung.decision("stop", trial_id, "an objective is not a number")
        if rung.rank(trial_id) > passing:
            return rung.decision("stop", trial_id, f"the best {passing} continue")
        return rung.decision("continue", trial_id, f"among the best {passing}")

    def has_nan(self, trial_id: str) -> bool:
        """Whether the trial has an objective that was NaN whenever it was reported."""
        return self._metrics.has_nan(trial_id)

    @property
    def keeps_best(self) -> bool:
        """Whether the trial with the best curve objective ranks first at any cost."""
        return self._ranking.keeps_best

    def _share(self, rung: Rung) -> float:
        return min(self._final_share, max(1.0, rung.arrivals / WINDOW) / self._factor)

    def promote(self) -> str | None:
        """Return None, as no trial is ever paused."""
        return None


class PromotingAsha:
    """Pauses a trial at a rung until it ranks in the top share of the trials that reached it.

    The share is 1 / ``reduction_factor``, rounded down. ``promote`` starts at the highest rung. A
    trial in the top share on arrival continues without a pause. A paused trial counts as promoted
    from its next ``TrialStarted``.

    Source: Li et al. 2020, A System for Massively Parallel Hyperparameter Tuning.
    """

    def __init__(
        self,
        objectives: Sequence[Objective],
        rungs: Sequence[int],
        *,
        ranking: Ranking,
        reduction_factor: float,
    ) -> None:
        self._metrics = TrialMetrics(objectives)
        self._rungs = {epochs: Rung(epochs, ranking, self._metrics) for epochs in rungs}
        self._factor = reduction_factor
        self._paused: dict[str, int] = {}
        self._decisions: dict[str, Decision] = {}

    def observe(self, event: SweepEvent) -> None:
        """Update costs, epochs and restarts; a trial that reaches a rung is judged there."""
        self._metrics.observe(event)
        ended = isinstance(event, TrialEnded) and event.state != "preempted"
        if isinstance(event, EpochReported):
            self._decisions[event.trial_id] = self._arrive(event)
        elif ended or isinstance(event, TrialStarted):
            self._paused.pop(event.trial_id, None)
            self._decisions.pop(event.trial_id, None)

    def decide(self, trial_id: str) -> Decision:
        """Return the decision that was made when the trial's last epoch was observed."""
        return self._decisions.get(trial_id, CONTINUE)

    def promote(self) -> str | None:
        """Return the best paused trial of the highest rung that has one in its top share."""
        for epochs in sorted(set(self._paused.values()), reverse=True):
            rung = self._rungs[epochs]
            for trial_id in rung.order()[: self._passing(rung)]:
                if self._paused.get(trial_id) == epochs:
                    return trial_id
        return None

    def _passing(self, rung: Rung) -> int:
        return int(len(rung) / self._factor)

    def _arrive(self, event: EpochReported) -> Decision:
        rung, trial_id = self._rungs.get(event.epoch), event.trial_id
        if rung is None:
            return CONTINUE
        rung.add(trial_id)
        passing = self._passing(rung)
        if self._metrics.has_nan(trial_id):
            return rung.decision("stop", trial_id, "an objective is not a number")
        if rung.rank(trial_id) <= passing:
            return rung.decision("continue", trial_id, f"among the best {passing}")
        self._paused[trial_id] = event.epoch
        return rung.decision("pause", trial_id, f"the best {passing} continue")
