"""Contradictions within a ledger, and with the searcher and scheduler rebuilt from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from orchestrator.ledger.events import (
    EpochReported,
    TrialAsked,
    TrialEnded,
    TrialExamined,
    TrialJudged,
    TrialProfiled,
    TrialStarted,
)
from search_spaces.space import config_digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.search.schedulers.base import Scheduler
    from orchestrator.search.searchers.base import Searcher
    from trainables.session.messages import TrialState

Place: TypeAlias = Literal["ledger", "scheduler", "searcher", "files", "ray", "mlflow"]
"""Record with the contradiction; all others are compared with the ledger."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One contradiction between the records of a sweep."""

    place: Place
    subject: str
    """Trial, file or run; ``sweep`` for the whole sweep."""
    message: str
    """The contradiction in words."""

    def __str__(self) -> str:
        return f"{self.place}: {self.subject}: {self.message}"


@dataclass(slots=True)
class _Trial:
    state: TrialState | None = None
    attempt: int = 0
    profiles: int = 0
    epoch: int = 0
    stop_at: int | None = None
    examined: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Seen:
    trials: dict[str, _Trial] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


def invariant_findings(events: Iterable[SweepEvent], *, epochs: int) -> list[Finding]:
    """Return every way in which ``events``, in the ledger's order, contradict each other.

    A trial is proposed once, with a config that no other trial has. Attempts are numbered 1, 2, ...
    Epochs are in order, without gaps and duplicates. After its end, only a preempted trial has
    further events, apart from one final check of each kind of a complete trial. Time never
    decreases.

    Args:
        events: All events of a sweep, finished or not.
        epochs: Epochs of a full training, >= 1.
    """
    seen = _Seen()
    return [finding for event in events for finding in _next(seen, event, epochs)]


def _next(seen: _Seen, event: SweepEvent, epochs: int) -> Iterator[Finding]:
    trial_id = event.trial_id
    if event.seconds < seen.seconds:
        yield _finding(trial_id, f"time goes back from {seen.seconds:.3f} to {event.seconds:.3f} s")
    seen.seconds = max(seen.seconds, event.seconds)
    if isinstance(event, TrialAsked):
        yield from _asked(seen, event)
        return
    trial = seen.trials.get(trial_id)
    if trial is None:
        yield _finding(trial_id, f"{_name(event)} comes before the proposal")
        trial = seen.trials[trial_id] = _Trial()
    if trial.state is not None and not _may_follow_end(trial, event):
        yield _finding(trial_id, f"{_name(event)} comes after the end ({trial.state})")
    if isinstance(event, TrialExamined) and _is_repeated(trial, event):
        yield _finding(trial_id, f"is examined twice: {event.kind}")
    for message in _advance(trial, event, epochs):
        yield _finding(trial_id, message)


def _asked(seen: _Seen, event: TrialAsked) -> Iterator[Finding]:
    trial_id = event.trial_id
    if trial_id in seen.trials:
        yield _finding(trial_id, "is proposed twice")
        return
    if event.number != len(seen.trials):
        yield _finding(trial_id, f"is number {event.number}, {len(seen.trials)} is due")
    twin = seen.digests.setdefault(config_digest(event.config), trial_id)
    if twin != trial_id:
        yield _finding(trial_id, f"has the configuration of {twin}")
    seen.trials[trial_id] = _Trial()


def _may_follow_end(trial: _Trial, event: SweepEvent) -> bool:
    if isinstance(event, TrialExamined):
        return trial.state == "complete"
    again = isinstance(event, TrialStarted) or (
        isinstance(event, TrialEnded) and event.state != "preempted"
    )
    return trial.state == "preempted" and again


def _advance(trial: _Trial, event: SweepEvent, epochs: int) -> Iterator[str]:
    match event:
        case TrialStarted():
            if event.attempt != trial.attempt + 1:
                yield f"attempt {event.attempt} starts after attempt {trial.attempt}"
            trial.attempt, trial.state = event.attempt, None
        case TrialProfiled():
            trial.profiles += 1
            if trial.profiles > 1:
                yield "its costs are recorded twice"
        case EpochReported():
            yield from _epoch(trial, event.epoch, epochs)
        case TrialJudged():
            if event.rung != trial.epoch:
                yield f"is judged at rung {event.rung} after epoch {trial.epoch}"
            if event.action == "stop":
                trial.stop_at = trial.epoch
        case TrialEnded():
            yield from _ended(trial, event, epochs)
        case _:
            pass


def _is_repeated(trial: _Trial, event: TrialExamined) -> bool:
    """Whether the trial has this figure already; an examination that failed gives none."""
    repeated = event.kind in trial.examined
    if not event.reason:
        trial.examined.add(event.kind)
    return repeated


def _epoch(trial: _Trial, epoch: int, epochs: int) -> Iterator[str]:
    if trial.attempt == 0:
        yield f"epoch {epoch} comes before it is started"
    if epoch <= trial.epoch:
        yield f"epoch {epoch} is recorded twice"
    elif epoch > trial.epoch + 1:
        yield f"epoch {epoch} comes after epoch {trial.epoch}, the epochs between are lost"
    if epoch > epochs:
        yield f"epoch {epoch} is beyond the {epochs} of a full training"
    if trial.stop_at is not None and trial.stop_at < epochs:
        yield f"epoch {epoch} comes after it was stopped at epoch {trial.stop_at}"
    trial.epoch = max(trial.epoch, epoch)


def _ended(trial: _Trial, event: TrialEnded, epochs: int) -> Iterator[str]:
    if event.state == "complete" and trial.epoch == 0:
        yield "is complete without an epoch"
    if event.state == "complete" and trial.stop_at is not None and trial.stop_at < epochs:
        yield f"is complete though it was stopped at epoch {trial.stop_at}"
    trial.state = event.state


def _name(event: SweepEvent) -> str:
    return type(event).__name__


def _finding(trial_id: str, message: str) -> Finding:
    return Finding(place="ledger", subject=trial_id, message=message)


def scheduler_findings(events: Sequence[SweepEvent], scheduler: Scheduler) -> list[Finding]:
    """Return every recorded decision that differs from that of a new ``scheduler`` after replay.

    An epoch at a rung without a decision is a finding too, unless it is the last event: then the
    driver died before the decision, and the sweep makes it when it resumes.
    """
    findings: list[Finding] = []
    for index, event in enumerate(events):
        scheduler.observe(event)
        if not isinstance(event, EpochReported):
            continue
        decision = scheduler.decide(event.trial_id)
        following = events[index + 1] if index + 1 < len(events) else None
        at = f"at epoch {event.epoch}"
        if isinstance(following, TrialJudged) and following.trial_id == event.trial_id:
            wanted = (decision.action, decision.rank, decision.of)
            if wanted != (following.action, following.rank, following.of):
                message = (
                    f"{at} the ledger has {following.action} (place {following.rank} of "
                    f"{following.of}), replayed it is {decision.action} (place {decision.rank} of "
                    f"{decision.of})"
                )
                findings.append(Finding(place="scheduler", subject=event.trial_id, message=message))
        elif decision.rung is not None and following is not None:
            findings.append(
                Finding(
                    place="scheduler", subject=event.trial_id, message=f"{at} it was never judged"
                )
            )
    return findings


def searcher_findings(
    events: Iterable[SweepEvent], searcher: Searcher, *, propose: bool = False
) -> list[Finding]:
    """Return the events that a new ``searcher`` cannot process.

    Args:
        events: All events of a sweep, in the ledger's order.
        searcher: Searcher in its initial state, with its warm start.
        propose: Whether to compare its proposals with the ledger too; as slow as in the sweep.
    """
    findings: list[Finding] = []
    for event in events:
        try:
            if propose and isinstance(event, TrialAsked):
                again = searcher.propose(event.number)
                if again != event.config:
                    message = f"the searcher would propose {again}, the ledger has {event.config}"
                    findings.append(
                        Finding(place="searcher", subject=event.trial_id, message=message)
                    )
            searcher.observe(event)
        except Exception as error:  # noqa: BLE001 - any error is a finding
            message = f"{type(event).__name__} raises {error!r}"
            findings.append(Finding(place="searcher", subject=event.trial_id, message=message))
    return findings
