"""Multi-objective successive halving that pauses trials at rungs, to take up the best later."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.ledger.events import (
    EpochReported,
    TrialAsked,
    TrialEnded,
    TrialProfiled,
    TrialStarted,
)
from orchestrator.search.schedulers.base import CONTINUE, Decision
from orchestrator.search.schedulers.standings import Rung, TrialMetrics, explain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.search.schedulers.ranking import Ranking
    from orchestrator.spec.objectives import Objective


class PromotingAsha:
    """Pauses every trial at a rung until it is in the best part of those that came there.

    The best part is one of ``reduction_factor``, rounded down. ``promote`` looks at the highest
    rung first. A trial that is in the best part as it arrives goes on without a pause. A paused
    trial counts as promoted from the moment its ``TrialStarted`` is observed.

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
        """Take note of costs, epochs, restarts; a trial that reaches a rung is judged there."""
        match event:
            case TrialAsked():
                self._metrics.begin(event.trial_id, event.known)
            case TrialStarted():
                self._paused.pop(event.trial_id, None)
                self._decisions.pop(event.trial_id, None)
            case TrialProfiled():
                self._metrics.profile(event.trial_id, event.metrics)
            case EpochReported():
                self._metrics.report(event.trial_id, event.metrics)
                self._decisions[event.trial_id] = self._arrive(event)
            case TrialEnded(state=state) if state != "preempted":
                self._metrics.forget(event.trial_id)
                self._paused.pop(event.trial_id, None)
                self._decisions.pop(event.trial_id, None)
            case _:
                pass

    def decide(self, trial_id: str) -> Decision:
        """Return what was found as the trial's last epoch was observed."""
        return self._decisions.get(trial_id, CONTINUE)

    def promote(self) -> str | None:
        """Return the best paused trial of the highest rung that has one in its best part."""
        for epochs in sorted(set(self._paused.values()), reverse=True):
            rung = self._rungs[epochs]
            for trial_id in rung.order()[: int(len(rung) / self._factor)]:
                if self._paused.get(trial_id) == epochs:
                    return trial_id
        return None

    def _arrive(self, event: EpochReported) -> Decision:
        rung = self._rungs.get(event.epoch)
        if rung is None:
            return CONTINUE
        rung.enter(event.trial_id)
        place = rung.place(event.trial_id)
        passing = int(len(rung) / self._factor)
        if self._metrics.is_broken(event.trial_id):
            return explain("stop", rung, place, "an objective is not a number")
        if place <= passing:
            return explain("continue", rung, place, f"among the best {passing}")
        self._paused[event.trial_id] = event.epoch
        return explain("pause", rung, place, f"the best {passing} go on")
