"""The state of a sweep, rebuilt from its events."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
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
    from collections.abc import Iterator

    from orchestrator.ledger.events import SweepEvent


class TrialStatus(Enum):
    """Status of a trial that has not ended for good."""

    ASKED = "asked"
    """Proposed, not started."""
    RUNNING = "running"
    """On a lane, or interrupted and to be started again."""
    STOPPING = "stopping"
    """Stopped by the scheduler; its lane has not ended it."""
    PAUSING = "pausing"
    """Paused by the scheduler; its lane has not released it."""
    PAUSED = "paused"
    """Waits at a rung, without a lane."""
    PREEMPTED = "preempted"
    """Ended with the driver; a resumed sweep starts it again."""


class Step(Enum):
    """What changes the status of an open trial."""

    START = "start"
    STOP = "stop"
    PAUSE = "pause"
    RELEASE = "release"
    PREEMPT = "preempt"


TRANSITIONS: dict[tuple[TrialStatus, Step], TrialStatus] = {
    (TrialStatus.ASKED, Step.START): TrialStatus.RUNNING,
    (TrialStatus.ASKED, Step.PREEMPT): TrialStatus.PREEMPTED,
    (TrialStatus.RUNNING, Step.STOP): TrialStatus.STOPPING,
    (TrialStatus.RUNNING, Step.PAUSE): TrialStatus.PAUSING,
    (TrialStatus.RUNNING, Step.PREEMPT): TrialStatus.PREEMPTED,
    (TrialStatus.PAUSING, Step.RELEASE): TrialStatus.PAUSED,
    (TrialStatus.PAUSING, Step.PREEMPT): TrialStatus.PAUSED,
    (TrialStatus.PAUSING, Step.START): TrialStatus.RUNNING,  # the release is in no ledger
    (TrialStatus.PAUSED, Step.START): TrialStatus.RUNNING,
    (TrialStatus.PREEMPTED, Step.START): TrialStatus.RUNNING,
    (TrialStatus.PREEMPTED, Step.STOP): TrialStatus.STOPPING,  # a late report of its lane
    (TrialStatus.PREEMPTED, Step.PAUSE): TrialStatus.PAUSED,
}
"""The next status; a pair that is not listed leaves the status as it is."""


@dataclass(slots=True)
class OpenTrial:
    """A trial that was proposed and has not ended for good."""

    asked: TrialAsked
    status: TrialStatus = TrialStatus.ASKED
    reason: str = ""
    """Why it was stopped or paused."""
    attempt: int = 0
    epoch: int = 0
    """Epochs finished."""
    started: float | None = None
    """When its present attempt started, seconds; None while it holds no lane."""
    profiled: bool = False
    """Whether its costs were measured."""

    def step(self, step: Step, reason: str = "") -> None:
        """Change the status by ``TRANSITIONS``; ``reason`` is that of a stop or a pause."""
        after = TRANSITIONS.get((self.status, step), self.status)
        if after is not self.status and step in {Step.STOP, Step.PAUSE}:
            self.reason = reason
        self.status = after

    @property
    def is_paused(self) -> bool:
        """Whether the scheduler paused it, released by its lane or not."""
        return self.status is TrialStatus.PAUSING or self.status is TrialStatus.PAUSED

    @property
    def settled(self) -> Decision | None:
        """The answer to any report of its lane; None while it trains."""
        if self.status is TrialStatus.STOPPING:
            return Decision(action="stop", reason="the trial is over")
        return Decision(action="pause", reason="the trial is paused") if self.is_paused else None


class SweepState:
    """Counts trials and worker time, and holds the open trials; all state comes from ``apply``."""

    def __init__(self, *, epochs: int, workers_per_trial: int) -> None:
        self._epochs = epochs
        self._workers = workers_per_trial
        self.open: dict[str, OpenTrial] = {}
        """Trials that have not ended for good, by identity, in order of proposal."""
        self.asked = 0
        """Trials that were proposed."""
        self.counted = 0
        """Those of them that count towards the budget."""
        self.rejected_in_a_row = 0
        """Proposals that static costs ruled out since the last first start of a trial."""
        self.infeasible_in_a_row = 0
        """Trials that measured costs ruled out since the last epoch of any trial."""
        self.worker_seconds = 0.0
        """Training time of ended attempts, summed over lanes and their workers, seconds."""

    def with_status(self, *statuses: TrialStatus) -> Iterator[OpenTrial]:
        """Yield the open trials that have one of ``statuses``, in order of proposal."""
        yield from [trial for trial in self.open.values() if trial.status in statuses]

    def apply(self, event: SweepEvent) -> None:
        """Update the state by one event; events come in ledger order, each once."""
        match event:
            case TrialAsked():
                self.asked = event.number + 1
                self.counted += 1
                self.open[event.trial_id] = OpenTrial(event)
            case TrialStarted():
                self._start(self.open[event.trial_id], event)
            case EpochReported():
                self.open[event.trial_id].epoch = event.epoch
                self.infeasible_in_a_row = 0
            case TrialJudged():
                if event.rung < self._epochs:
                    self._judge(self.open[event.trial_id], event)
            case TrialEnded():
                self._end(self.open[event.trial_id], event)
            case TrialProfiled():
                self.open[event.trial_id].profiled = True

    def driver_lost(self, seconds: float) -> None:
        """End all attempts at ``seconds``, the last event of a driver that was lost."""
        for trial in self.open.values():
            self._count_time(trial, seconds)

    def _start(self, trial: OpenTrial, event: TrialStarted) -> None:
        trial.attempt, trial.started = event.attempt, event.seconds
        trial.step(Step.START)
        if event.attempt == 1:
            self.rejected_in_a_row = 0

    def _judge(self, trial: OpenTrial, event: TrialJudged) -> None:
        if event.action == "stop":
            trial.step(Step.STOP, event.reason or f"stopped after epoch {trial.epoch}")
        elif event.action == "pause":
            trial.step(Step.PAUSE, event.reason)
            self._count_time(trial, event.seconds)

    def _count_time(self, trial: OpenTrial, until: float) -> None:
        if trial.started is not None:
            self.worker_seconds += self._workers * max(0.0, until - trial.started)
            trial.started = None

    def _end(self, trial: OpenTrial, event: TrialEnded) -> None:
        self._count_time(trial, event.seconds)
        if event.state == "preempted":
            trial.step(Step.PREEMPT)
            return
        del self.open[event.trial_id]
        if event.state == "infeasible" and trial.epoch == 0:
            self.counted -= 1
            if trial.attempt:
                self.infeasible_in_a_row += 1
            else:
                self.rejected_in_a_row += 1
