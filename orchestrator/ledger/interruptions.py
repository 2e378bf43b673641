"""What lost lanes and drivers cost a sweep, from its events."""

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
"""Why a trial had to leave its lane: a machine that was taken back, a machine or a process of the
lane that was lost, a driver that ended or was killed."""
_WORDS: dict[Loss, str] = {
    "preemption": "by preemption",
    "node": "by a lost machine",
    "worker": "by a lost worker",
    "driver": "by an end of the driver",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Interruptions:
    """How often trials were interrupted, with what was trained once more because of it."""

    notices: int = 0
    """Notices that a machine under a trial would be taken away; not every one comes true."""
    losses: dict[Loss, int] = field(default_factory=dict)
    """Interruptions of trials by their cause; one event may interrupt several."""
    device_seconds_again: float = 0.0
    """Training that was lost, as it was in no state, and done once more, s times devices."""

    @property
    def total(self) -> int:
        """Interruptions of trials, whatever their cause."""
        return sum(self.losses.values())

    def facts(self) -> dict[str, object]:
        """Return everything under the names of the JSON report."""
        return {
            "notices": self.notices,
            **{f"by_{cause}": self.losses.get(cause, 0) for cause in _WORDS},
            "device_seconds_again": round(self.device_seconds_again, 3),
        }


def interruptions_of(events: Iterable[SweepEvent], *, workers_per_trial: int = 1) -> Interruptions:
    """Return what ``events``, in the ledger's order, tell of interruptions.

    Time counts from a trial's last sign of training (its profile, an epoch, a state it went on
    from) to its loss; what the state it goes on from holds of that is not lost. A driver that was
    killed is taken to have died at the ledger's last event before.

    Args:
        events: All events of a sweep.
        workers_per_trial: Devices a trial holds while it runs.
    """
    count = _Count()
    for event in events:
        count.observe(event)
    return Interruptions(
        notices=count.notices,
        losses=count.losses,
        device_seconds_again=count.seconds_again * workers_per_trial,
    )


def interruptions_line(found: Interruptions) -> str:
    """Return in one sentence what interruptions there were; empty without any."""
    if not (found.total or found.notices):
        return ""
    told = [f"{count} {_WORDS[cause]}" for cause, count in found.losses.items() if count]
    notices = f"{found.notices} {'notice' if found.notices == 1 else 'notices'} of preemption"
    times = "interruption" if found.total == 1 else "interruptions"
    parts = [f"{found.total} {times} of trials ({', '.join(told)})"] if told else []
    parts += [notices] if found.notices else []
    return f"{', '.join(parts)}; {found.device_seconds_again:.0f} device-seconds trained twice"


@dataclass(slots=True)
class _Course:
    """What of a trial's training the ledger knows."""

    epochs: dict[int, float] = field(default_factory=dict)
    """Seconds of each epoch."""
    trained: float = 0.0
    """Seconds of training up to ``since``."""
    since: float | None = None
    """When it was last known to train; None while it does not."""
    held: bool = False
    """Whether an attempt is on."""
    lost: float | None = None
    """Seconds of training up to its last loss, as far as known; None where nothing was lost."""


@dataclass(slots=True)
class _Count:
    notices: int = 0
    losses: dict[Loss, int] = field(default_factory=dict)
    seconds_again: float = 0.0
    courses: dict[str, _Course] = field(default_factory=dict)
    now: float = 0.0

    def observe(self, event: SweepEvent) -> None:
        course = self.courses.setdefault(event.trial_id, _Course())
        if isinstance(event, TrialProfiled | EpochReported | TrialRestored):
            self._trains(course, event)
        else:
            self._moves(course, event)
        self.now = max(self.now, event.seconds)

    def _trains(
        self, course: _Course, event: TrialProfiled | EpochReported | TrialRestored
    ) -> None:
        course.since = event.seconds
        if isinstance(event, EpochReported):
            course.epochs[event.epoch] = event.metrics.get("epoch_seconds", 0.0)
            course.trained = sum(course.epochs.values())
        elif isinstance(event, TrialRestored):
            if course.lost is not None:
                self.seconds_again += max(0.0, course.lost - event.trained_seconds)
            course.lost, course.trained = None, event.trained_seconds

    def _moves(self, course: _Course, event: SweepEvent) -> None:
        match event:
            case TrialStarted():
                if course.held:
                    self._lose(course, "driver", self.now)
                course.held = True
            case TrialInterrupted():
                if event.cause == "notice":
                    self.notices += 1
                else:
                    self._lose(course, event.cause, event.seconds)
            case TrialJudged(action="pause") | TrialEnded():
                if isinstance(event, TrialEnded) and event.state == "preempted" and course.held:
                    self._lose(course, "driver", event.seconds)
                course.held, course.since = False, None
            case _:
                pass

    def _lose(self, course: _Course, cause: Loss, at: float) -> None:
        self.losses[cause] = self.losses.get(cause, 0) + 1
        if course.since is not None:
            course.lost = course.trained + max(0.0, at - course.since)
        course.since = None
