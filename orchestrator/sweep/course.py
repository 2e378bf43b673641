"""What the events of a sweep add up to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.ledger.events import (
    EpochReported,
    TrialAsked,
    TrialEnded,
    TrialJudged,
    TrialProfiled,
    TrialStarted,
)
from orchestrator.search.schedulers.base import Decision

if TYPE_CHECKING:
    from orchestrator.ledger.events import SweepEvent


@dataclass(slots=True)
class Running:
    """A trial that was asked for and is not over."""

    asked: TrialAsked
    attempt: int = 0
    epoch: int = 0
    started: float | None = None
    profiled: bool = False
    preempted: bool = False
    stopping: str | None = None
    paused: str | None = None
    """Why it waits at a rung; None while it does not."""
    leaving: bool = False
    """Whether it was paused and its lane has not let go of it yet."""

    @property
    def settled(self) -> Decision | None:
        """What its lane is told whatever it reports; None while it trains."""
        if self.stopping:
            return Decision(action="stop", reason="the trial is over")
        return Decision(action="pause", reason="the trial is paused") if self.paused else None


class Course:
    """Counts trials and time, and knows how each trial stands that is not over."""

    def __init__(self, *, epochs: int, workers_per_trial: int) -> None:
        self._epochs = epochs
        self._workers = workers_per_trial
        self.live: dict[str, Running] = {}
        """Trials that are not over, by identity, in order of proposal."""
        self.asked = 0
        """Trials that were proposed."""
        self.counted = 0
        """Those of them that count towards the budget."""
        self.rejected_in_a_row = 0
        """Proposals since the last start that the cost gate settled."""
        self.worker_seconds = 0.0
        """Time of training, summed over lanes and their workers."""

    def take_in(self, event: SweepEvent) -> None:
        """Take note of one event."""
        match event:
            case TrialAsked():
                self.asked = event.number + 1
                self.counted += 1
                self.live[event.trial_id] = Running(event)
            case TrialStarted():
                running = self.live[event.trial_id]
                running.attempt, running.started = event.attempt, event.seconds
                running.preempted, running.paused = False, None
                self.rejected_in_a_row = 0
            case EpochReported():
                self.live[event.trial_id].epoch = event.epoch
            case TrialJudged():
                if event.rung < self._epochs:
                    self._take_in_verdict(event)
            case TrialEnded():
                self._take_in_end(event)
            case TrialProfiled():
                self.live[event.trial_id].profiled = True

    def _take_in_verdict(self, event: TrialJudged) -> None:
        running = self.live[event.trial_id]
        if event.action == "stop":
            running.stopping = event.reason
        elif event.action == "pause":
            running.paused = event.reason
            self._count_time(running, event.seconds)

    def _count_time(self, running: Running, until: float) -> None:
        if running.started is not None:
            self.worker_seconds += self._workers * max(0.0, until - running.started)
            running.started = None

    def _take_in_end(self, event: TrialEnded) -> None:
        running = self.live[event.trial_id]
        self._count_time(running, event.seconds)
        if event.state == "preempted":
            running.preempted = True
            return  # kept alive: a resumed sweep starts it again
        del self.live[event.trial_id]
        if event.state == "infeasible" and running.epoch == 0:
            self.counted -= 1
            self.rejected_in_a_row += not running.attempt
