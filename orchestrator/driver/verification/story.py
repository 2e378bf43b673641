"""Contradictions within a ledger."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.driver.verification.findings import Finding
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
    from collections.abc import Iterable, Iterator

    from orchestrator.ledger.events import SweepEvent
    from trainables.session.messages import TrialState


@dataclass(slots=True)
class _Course:
    state: TrialState | None = None
    attempt: int = 0
    profiles: int = 0
    epoch: int = 0
    stop_at: int | None = None
    examined: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Story:
    courses: dict[str, _Course] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


def story_findings(events: Iterable[SweepEvent], *, epochs: int) -> list[Finding]:
    """Return every way in which ``events``, in the ledger's order, contradict each other.

    A trial is proposed once, with a configuration no other has; it starts with attempt 1, 2, ...;
    its epochs come in order, none twice and none left out; after its end nothing comes, unless it
    was preempted, but what is examined of a complete trial, once. Time does not go back.

    Args:
        events: All events of a sweep, finished or not.
        epochs: Epochs of a full training, >= 1.
    """
    story = _Story()
    return [finding for event in events for finding in _next(story, event, epochs)]


def _next(story: _Story, event: SweepEvent, epochs: int) -> Iterator[Finding]:
    trial_id = event.trial_id
    if event.seconds < story.seconds:
        yield _finding(
            trial_id, f"time goes back from {story.seconds:.3f} to {event.seconds:.3f} s"
        )
    story.seconds = max(story.seconds, event.seconds)
    if isinstance(event, TrialAsked):
        yield from _asked(story, event)
        return
    course = story.courses.get(trial_id)
    if course is None:
        yield _finding(trial_id, f"{_name(event)} comes before the proposal")
        course = story.courses[trial_id] = _Course()
    if course.state is not None and not _may_follow_end(course, event):
        yield _finding(trial_id, f"{_name(event)} comes after the end ({course.state})")
    if isinstance(event, TrialExamined) and _is_repeated(course, event):
        yield _finding(trial_id, f"is examined twice: {event.kind}")
    for message in _advance(course, event, epochs):
        yield _finding(trial_id, message)


def _asked(story: _Story, event: TrialAsked) -> Iterator[Finding]:
    trial_id = event.trial_id
    if trial_id in story.courses:
        yield _finding(trial_id, "is proposed twice")
        return
    if event.number != len(story.courses):
        yield _finding(trial_id, f"is number {event.number}, {len(story.courses)} is due")
    twin = story.digests.setdefault(config_digest(event.config), trial_id)
    if twin != trial_id:
        yield _finding(trial_id, f"has the configuration of {twin}")
    story.courses[trial_id] = _Course()


def _may_follow_end(course: _Course, event: SweepEvent) -> bool:
    if isinstance(event, TrialExamined):
        return course.state == "complete"
    again = isinstance(event, TrialStarted) or (
        isinstance(event, TrialEnded) and event.state != "preempted"
    )
    return course.state == "preempted" and again


def _advance(course: _Course, event: SweepEvent, epochs: int) -> Iterator[str]:
    match event:
        case TrialStarted():
            if event.attempt != course.attempt + 1:
                yield f"attempt {event.attempt} starts after attempt {course.attempt}"
            course.attempt, course.state = event.attempt, None
        case TrialProfiled():
            course.profiles += 1
            if course.profiles > 1:
                yield "its costs are recorded twice"
        case EpochReported():
            yield from _epoch(course, event.epoch, epochs)
        case TrialJudged():
            if event.rung != course.epoch:
                yield f"is judged at rung {event.rung} after epoch {course.epoch}"
            if event.action == "stop":
                course.stop_at = course.epoch
        case TrialEnded():
            yield from _ended(course, event, epochs)
        case _:
            pass


def _is_repeated(course: _Course, event: TrialExamined) -> bool:
    """Whether the trial has this figure already; an examination that failed gives none."""
    repeated = event.kind in course.examined
    if not event.reason:
        course.examined.add(event.kind)
    return repeated


def _epoch(course: _Course, epoch: int, epochs: int) -> Iterator[str]:
    if course.attempt == 0:
        yield f"epoch {epoch} comes before it is started"
    if epoch <= course.epoch:
        yield f"epoch {epoch} is recorded twice"
    elif epoch > course.epoch + 1:
        yield f"epoch {epoch} comes after epoch {course.epoch}, what is between is lost"
    if epoch > epochs:
        yield f"epoch {epoch} is beyond the {epochs} of a full training"
    if course.stop_at is not None and course.stop_at < epochs:
        yield f"epoch {epoch} comes after it was stopped at epoch {course.stop_at}"
    course.epoch = max(course.epoch, epoch)


def _ended(course: _Course, event: TrialEnded, epochs: int) -> Iterator[str]:
    if event.state == "complete" and course.epoch == 0:
        yield "is complete without an epoch"
    if event.state == "complete" and course.stop_at is not None and course.stop_at < epochs:
        yield f"is complete though it was stopped at epoch {course.stop_at}"
    course.state = event.state


def _name(event: SweepEvent) -> str:
    return type(event).__name__


def _finding(trial_id: str, message: str) -> Finding:
    return Finding(place="ledger", subject=trial_id, message=message)
