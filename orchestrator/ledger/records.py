"""Trial records, folded from a sweep's events."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from orchestrator.ledger.events import (
    SYSTEM_PREFIX,
    EpochReported,
    TrialAsked,
    TrialEnded,
    TrialExamined,
    TrialInterrupted,
    TrialJudged,
    TrialProfiled,
    TrialRestored,
    TrialStarted,
    finite_event,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from orchestrator.ledger.events import SweepEvent
    from search_spaces.domains import Value
    from trainables.session.messages import FinalCheckKind

RecordState: TypeAlias = Literal[
    "pending", "running", "complete", "stopped", "infeasible", "preempted", "failed"
]
"""``pending``: proposed, not started; ``running``: started, not ended; the others: how it ended."""
Epoch: TypeAlias = "tuple[int, Mapping[str, float]]"

RECORD_STATES: tuple[RecordState, ...] = get_args(RecordState)


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialRecord:
    """State of one trial after the events so far."""

    trial_id: str
    """Id of the trial, unique in the sweep."""
    number: int
    """Order of proposal, from 0."""
    state: RecordState
    config: Mapping[str, Value]
    """Point of the search space: values of the active dimensions."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """Latest value of each metric: costs before training, metrics of epochs, final metrics."""
    details: Mapping[str, Value] = field(default_factory=dict)
    """Conditions of cost measurements: device, runtime, precision, threads, ..."""
    epochs_done: int = 0
    """Epochs finished."""
    attempts: int = 0
    """Number of starts."""
    started_at: float | None = None
    """Start of the current attempt, seconds since the sweep started; None between attempts."""
    busy_seconds: float = 0.0
    """Seconds on a lane, summed over ended attempts."""
    verdict: TrialJudged | None = None
    """Latest decision of the scheduler; None before the first."""
    reason: str = ""
    """Why the trial ended; may be empty for a complete one."""
    artifacts: tuple[str, ...] = ()
    """Files of the trial, relative to its folder."""
    examinations: Mapping[FinalCheckKind, TrialExamined] = field(default_factory=dict)
    """Latest examination of each kind after the search. A repeated latency measurement replaces
    the value in ``metrics``; a score on the test split does not appear there."""
    history: tuple[Epoch, ...] = ()
    """``(epoch, metrics)`` in order of epochs; the last report of each epoch."""
    asked_at: float = 0.0
    """Time of the proposal, seconds since the sweep started."""
    changed_at: float = 0.0
    """Time of the latest event, seconds since the sweep started."""

    @property
    def ended(self) -> bool:
        """Whether the trial ended, possibly by preemption."""
        return self.state not in {"pending", "running"}

    @property
    def over(self) -> bool:
        """Whether the trial ended for good; a preempted one resumes."""
        return self.ended and self.state != "preempted"

    @property
    def gated(self) -> bool:
        """Whether the cost gate rejected the trial, so that the budget does not count it."""
        return self.state == "infeasible" and self.epochs_done == 0


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepRecords:
    """Snapshot of all trials of a sweep."""

    trials: tuple[TrialRecord, ...] = ()
    """In order of proposal."""
    seconds: float = 0.0
    """Time of the last event, seconds since the sweep started."""

    @property
    def complete(self) -> tuple[TrialRecord, ...]:
        """The complete trials, in order of proposal."""
        return tuple(trial for trial in self.trials if trial.state == "complete")

    @property
    def counts(self) -> dict[RecordState, int]:
        """Number of trials in each state, including zeros."""
        counts: dict[RecordState, int] = dict.fromkeys(RECORD_STATES, 0)
        for trial in self.trials:
            counts[trial.state] += 1
        return counts


class RecordTable:
    """The latest record of every trial."""

    def __init__(self) -> None:
        """Start with no trial."""
        self._trials: dict[str, TrialRecord] = {}
        self._seconds = 0.0

    def put(self, record: TrialRecord, seconds: float) -> None:
        """Keep the record that an event at ``seconds`` led to."""
        self._trials[record.trial_id] = record
        self._seconds = max(self._seconds, seconds)

    def get(self, trial_id: str) -> TrialRecord | None:
        """Return the trial's record, None for a trial never proposed."""
        return self._trials.get(trial_id)

    def snapshot(self) -> SweepRecords:
        """Return all records so far, in order of proposal."""
        ordered = sorted(self._trials.values(), key=lambda record: record.number)
        return SweepRecords(trials=tuple(ordered), seconds=self._seconds)


class RecordBook(RecordTable):
    """Folds events into records; events come in ledger order, each once."""

    def observe(self, event: SweepEvent) -> TrialRecord:
        """Apply ``event``, without metrics that are not finite; return the changed record.

        A preempted trial with a new event is running again. A repeated epoch replaces the earlier
        report and all later epochs.

        Raises:
            ValueError: the trial was never proposed, or was proposed before with another config.
        """
        record = self._after(finite_event(event))
        self.put(record, event.seconds)
        return record

    def _after(self, event: SweepEvent) -> TrialRecord:
        if isinstance(event, TrialAsked):
            return self._asked(event)
        record = self._known(event.trial_id)
        match event:
            case TrialStarted():
                record = _started(record, event)
            case TrialProfiled():
                record = _profiled(record, event)
            case EpochReported():
                record = _trained(record, event)
            case TrialJudged():
                record = _judged(record, event)
            case TrialEnded():
                record = _ended(record, event)
            case TrialExamined():
                record = _examined(record, event)
            case TrialInterrupted() | TrialRestored():
                record = _changed(record, changed_at=event.seconds)
        return record

    def _asked(self, event: TrialAsked) -> TrialRecord:
        record = self._trials.get(event.trial_id)
        if record is None:
            return TrialRecord(
                trial_id=event.trial_id,
                number=event.number,
                state="pending",
                config=event.config,
                metrics=event.known,
                asked_at=event.seconds,
                changed_at=event.seconds,
            )
        if record.config != event.config:
            raise ValueError(
                f"trial {event.trial_id} was proposed with {dict(record.config)}, then with "
                f"{event.config}; the config of a trial must not change"
            )
        return record

    def _known(self, trial_id: str) -> TrialRecord:
        record = self._trials.get(trial_id)
        if record is None:
            raise ValueError(
                f"trial {trial_id} has an event before its proposal; "
                "apply events in the ledger's order, from its start"
            )
        return record


_NAMES = tuple(each.name for each in fields(TrialRecord))
_VALUES = attrgetter(*_NAMES)
_SETTERS = tuple(getattr(TrialRecord, name).__set__ for name in _NAMES)


def _changed(record: TrialRecord, **changes: object) -> TrialRecord:
    """Return ``dataclasses.replace(record, **changes)`` in half its time.

    It is called for every event: simulations of 1,000 lanes took a tenth longer with ``replace``.
    """
    new = object.__new__(TrialRecord)
    for set_value, value in zip(_SETTERS, _VALUES(record), strict=True):
        set_value(new, value)
    for name, value in changes.items():
        object.__setattr__(new, name, value)
    return new


def fold(events: Iterable[SweepEvent]) -> SweepRecords:
    """Return the records after all ``events``."""
    book = RecordBook()
    for event in events:
        book.observe(event)
    return book.snapshot()


def _started(record: TrialRecord, event: TrialStarted) -> TrialRecord:
    return _changed(
        record,
        state="running",
        attempts=event.attempt,
        started_at=event.seconds,
        changed_at=event.seconds,
    )


def _profiled(record: TrialRecord, event: TrialProfiled) -> TrialRecord:
    return _changed(
        record,
        state="running",
        metrics={**record.metrics, **event.metrics},
        details={**record.details, **event.details},
        changed_at=event.seconds,
    )


def _trained(record: TrialRecord, event: EpochReported) -> TrialRecord:
    before = record.history
    if before and before[-1][0] >= event.epoch:
        before = tuple(entry for entry in before if entry[0] < event.epoch)
    figures = {k: v for k, v in event.metrics.items() if not k.startswith(SYSTEM_PREFIX)}
    return _changed(
        record,
        state="running",
        metrics={**record.metrics, **figures},
        epochs_done=event.epoch,
        history=(*before, (event.epoch, event.metrics)),
        changed_at=event.seconds,
    )


def _judged(record: TrialRecord, event: TrialJudged) -> TrialRecord:
    record = _changed(record, verdict=event, changed_at=event.seconds)
    if event.action != "pause" or record.started_at is None:
        return record
    busy = record.busy_seconds + max(0.0, event.seconds - record.started_at)
    return _changed(record, started_at=None, busy_seconds=busy)


def _ended(record: TrialRecord, event: TrialEnded) -> TrialRecord:
    began = event.seconds if record.started_at is None else record.started_at
    return _changed(
        record,
        state=event.state,
        reason=event.reason,
        metrics={**record.metrics, **event.metrics},
        artifacts=event.artifacts or record.artifacts,
        started_at=None,
        busy_seconds=record.busy_seconds + max(0.0, event.seconds - began),
        changed_at=event.seconds,
    )


def _examined(record: TrialRecord, event: TrialExamined) -> TrialRecord:
    record = _changed(record, examinations={**record.examinations, event.kind: event})
    if event.kind != "latency" or event.reason:
        return record
    return _changed(
        record,
        metrics={**record.metrics, **event.metrics},
        details={**record.details, **event.details},
        state="infeasible" if event.ruled_out else record.state,
        reason=event.ruled_out or record.reason,
    )
