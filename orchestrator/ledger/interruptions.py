"""Cost of lost lanes and drivers, computed from a sweep's events."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from orchestrator.ledger.events import (
    EpochReported,
    TrialEnded,
    TrialInterrupted,
    TrialJudged,
    TrialProfiled,
    TrialRestored,
    TrialStarted,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.ledger.events import SweepEvent

Loss: TypeAlias = Literal["preemption", "node", "worker", "driver"]
"""Cause of an interruption: preemption of a machine, loss of a machine, loss of a worker process,
end of the driver."""
_WORDS: dict[Loss, str] = {
    "preemption": "by preemption",
    "node": "by a lost machine",
    "worker": "by a lost worker",
    "driver": "by an end of the driver",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Interruptions:
    """Number of interruptions and the training that was repeated because of them."""

    notices: int = 0
    """Preemption notices for machines with trials; a notice need not be followed by a loss."""
    losses: dict[Loss, int] = field(default_factory=dict)
    """Interruptions of trials by cause; one cause may interrupt several trials."""
    device_seconds_again: float = 0.0
    """Training after the last checkpoint that was lost and repeated, device-seconds."""

    @property
    def total(self) -> int:
        """Interruptions of trials, all causes."""
        return sum(self.losses.values())

    def facts(self) -> dict[str, object]:
        """Return the values for the JSON report."""
        return {
            "notices": self.notices,
            **{f"by_{cause}": self.losses.get(cause, 0) for cause in _WORDS},
            "device_seconds_again": round(self.device_seconds_again, 3),
        }


def interruptions_of(events: Iterable[SweepEvent], *, workers_per_trial: int = 1) -> Interruptions:
    """Return the interruptions in ``events``, which are in the ledger's order.

    A loss covers the time from the trial's last event of training (profile, epoch, restore) to the
    interruption, less the training in the restored checkpoint. A killed driver counts as ended at
    the ledger's last event before.

    Args:
        events: All events of a sweep.
        workers_per_trial: Devices of a running trial.
    """
    count = _Count()
    for event in events:
        count.observe(event)
    return Interruptions(
        notices=count.notices,
        losses=count.losses,
        device_seconds_again=count.seconds_again * workers_per_trial,
    )


def interruptions_line(interruptions: Interruptions) -> str:
    """Return the interruptions as one line; empty without any."""
    if not (interruptions.total or interruptions.notices):
        return ""
    causes = [f"{count} {_WORDS[cause]}" for cause, count in interruptions.losses.items() if count]
    total, notices = interruptions.total, interruptions.notices
    times = "interruption" if total == 1 else "interruptions"
    parts = [f"{total} {times} of trials ({', '.join(causes)})"] if causes else []
    if notices:
        parts.append(f"{notices} {'notice' if notices == 1 else 'notices'} of preemption")
    seconds = interruptions.device_seconds_again
    return f"{', '.join(parts)}; {seconds:.0f} device-seconds trained twice"


@dataclass(slots=True)
class _Training:
    """Recorded training of one trial."""

    epochs: dict[int, float] = field(default_factory=dict)
    """Seconds of each epoch."""
    trained: float = 0.0
    """Seconds of training up to ``since``."""
    since: float | None = None
    """Time of its last event of training; None while it does not train."""
    held: bool = False
    """Whether an attempt is running."""
    lost: float | None = None
    """Seconds of training up to its last loss; None without a loss."""


@dataclass(slots=True)
class _Count:
    notices: int = 0
    losses: dict[Loss, int] = field(default_factory=dict)
    seconds_again: float = 0.0
    trainings: dict[str, _Training] = field(default_factory=dict)
    now: float = 0.0

    def observe(self, event: SweepEvent) -> None:
        training = self.trainings.setdefault(event.trial_id, _Training())
        if isinstance(event, TrialProfiled | EpochReported | TrialRestored):
            self._observe_training(training, event)
        else:
            self._observe_start_or_end(training, event)
        self.now = max(self.now, event.seconds)

    def _observe_training(
        self, training: _Training, event: TrialProfiled | EpochReported | TrialRestored
    ) -> None:
        training.since = event.seconds
        if isinstance(event, EpochReported):
            training.epochs[event.epoch] = event.metrics.get("epoch_seconds", 0.0)
            training.trained = sum(training.epochs.values())
        elif isinstance(event, TrialRestored):
            if training.lost is not None:
                self.seconds_again += max(0.0, training.lost - event.trained_seconds)
            training.lost, training.trained = None, event.trained_seconds

    def _observe_start_or_end(self, training: _Training, event: SweepEvent) -> None:
        match event:
            case TrialStarted():
                if training.held:
                    self._lose(training, "driver", self.now)
                training.held = True
            case TrialInterrupted():
                if event.cause == "notice":
                    self.notices += 1
                else:
                    self._lose(training, event.cause, event.seconds)
            case TrialJudged(action="pause") | TrialEnded():
                if isinstance(event, TrialEnded) and event.state == "preempted" and training.held:
                    self._lose(training, "driver", event.seconds)
                training.held, training.since = False, None
            case _:
                pass

    def _lose(self, training: _Training, cause: Loss, at: float) -> None:
        self.losses[cause] = self.losses.get(cause, 0) + 1
        if training.since is not None:
            training.lost = training.trained + max(0.0, at - training.since)
        training.since = None
