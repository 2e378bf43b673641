"""The events of a sweep, which its ledger stores in order as JSON text."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from search_spaces.domains import Value
    from search_spaces.space import Config
    from trainables.session.messages import FinalCheckKind, Interruption, TrialState


SYSTEM_PREFIX = "system/"
"""Prefix of metrics of the machine, not of the config; MLflow groups them as system metrics."""

TEST_PREFIX = "test_"
"""Prefix of metrics of the test split, which the search must not read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialAsked:
    """A config was proposed; recorded before any effect of it."""

    trial_id: str
    number: int
    """Order of proposal, from 0; with the sweep's seed, it seeds the proposal."""
    config: Config
    known: dict[str, float] = field(default_factory=dict)
    """Metrics known before training, such as ``flops`` and ``params``."""
    seconds: float = 0.0
    """Time since the sweep started, seconds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialStarted:
    """A trial was submitted to the lanes, for the first time or again."""

    trial_id: str
    attempt: int = 1
    """Number of the start, from 1; interruptions cause further ones."""
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialProfiled:
    """Costs were measured before the first epoch."""

    trial_id: str
    metrics: dict[str, float]
    details: dict[str, Value] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class EpochReported:
    """A trial finished an epoch."""

    trial_id: str
    epoch: int
    """Epochs finished, from 1."""
    metrics: dict[str, float]
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialJudged:
    """The scheduler decided on a trial at a rung; the report explains it from this."""

    trial_id: str
    action: Literal["continue", "stop", "pause"]
    rung: int
    """Epochs of the rung."""
    rank: int
    """Rank among the rung's trials at that time, from 1."""
    of: int
    """Number of trials at the rung at that time."""
    reason: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialEnded:
    """A trial ended."""

    trial_id: str
    state: TrialState
    reason: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    """Final metrics; for a stopped trial, the last reported ones."""
    artifacts: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialInterrupted:
    """A trial's lane was lost, or a preemption notice was received; the trial has not ended."""

    trial_id: str
    cause: Interruption
    reason: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialRestored:
    """A trial resumed from its checkpoint, or restarted without one."""

    trial_id: str
    epoch: int
    """Whole epochs in the checkpoint; 0 without one."""
    trained_seconds: float
    """Seconds of training in the checkpoint."""
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialExamined:
    """A complete trial was examined after the search; the search does not read this."""

    trial_id: str
    kind: FinalCheckKind
    """Kind of the examination."""
    metrics: dict[str, float] = field(default_factory=dict)
    """Measured metrics; empty if the examination failed."""
    details: dict[str, Value] = field(default_factory=dict)
    """Conditions of a latency measurement."""
    ruled_out: str = ""
    """Constraint that the metrics violate, so that the trial is infeasible; empty for none."""
    reason: str = ""
    """Cause of a failure; empty without one."""
    seconds: float = 0.0


SweepEvent: TypeAlias = (
    TrialAsked
    | TrialStarted
    | TrialProfiled
    | EpochReported
    | TrialJudged
    | TrialInterrupted
    | TrialRestored
    | TrialEnded
    | TrialExamined
)


_KINDS: dict[str, type[Any]] = {
    "asked": TrialAsked,
    "started": TrialStarted,
    "profiled": TrialProfiled,
    "epoch": EpochReported,
    "judged": TrialJudged,
    "interrupted": TrialInterrupted,
    "restored": TrialRestored,
    "ended": TrialEnded,
    "examined": TrialExamined,
}
_FIELDS = {name: frozenset(field.name for field in fields(kind)) for name, kind in _KINDS.items()}
_NAMES = {kind: name for name, kind in _KINDS.items()}


def encode(event: SweepEvent) -> tuple[str, str]:
    """Return the event's kind and its fields as JSON; NaN and infinities become text."""
    payload = {field.name: getattr(event, field.name) for field in fields(event)}
    return _NAMES[type(event)], json.dumps(_plain(payload), allow_nan=False, separators=(",", ":"))


def decode(kind: str, text: str) -> SweepEvent:
    """Return the event that ``encode`` wrote; unknown fields of a newer version are ignored.

    Raises:
        ValueError: the kind is unknown or the text is not an event of that kind.
    """
    cls = _KINDS.get(kind)
    if cls is None:
        raise ValueError(f"unknown ledger event {kind!r}; known are {', '.join(_KINDS)}")
    payload = json.loads(text)
    known = _FIELDS[kind]
    values = {name: value for name, value in payload.items() if name in known}
    for name in ("metrics", "known"):
        if name in values:
            values[name] = {key: float(value) for key, value in values[name].items()}
    if "artifacts" in values:
        values["artifacts"] = tuple(values["artifacts"])
    try:
        event: SweepEvent = cls(**values)
    except TypeError as error:
        raise ValueError(f"ledger event {kind!r} is incomplete: {error}") from error
    return event


def _plain(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


QUALITY = frozenset(
    {"train_loss", "val_loss", "miou", "pixel_accuracy", "mae_50", "mae_50_95", "float_miou"}
)
"""Metrics that are not finite after a training has diverged."""


def finite_only(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return the metrics that are finite."""
    return {name: value for name, value in metrics.items() if math.isfinite(value)}


def nonfinite_text(metrics: Mapping[str, float], names: Collection[str] = ()) -> str | None:
    """Return text on the metrics of ``QUALITY`` and ``names`` that are not finite, None if none."""
    broken = [
        f"{name} is {value}"
        for name, value in metrics.items()
        if not math.isfinite(value) and (name in QUALITY or name in names)
    ]
    return ", ".join(broken) or None


def finite_event(event: SweepEvent) -> SweepEvent:
    """Return ``event`` without metrics that are not finite.

    A complete trial with such a metric of ``QUALITY`` becomes a failed one. Only ledgers of earlier
    releases have such events.
    """
    match event:
        case TrialAsked() if _has_nonfinite(event.known.values()):
            return replace(event, known=finite_only(event.known))
        case TrialEnded(state="complete") if broken := nonfinite_text(event.metrics):
            metrics = finite_only(event.metrics)
            reason = f"{broken} at the end"
            return replace(event, state="failed", reason=reason, metrics=metrics)
        case TrialProfiled() | EpochReported() | TrialEnded() if _has_nonfinite(
            event.metrics.values()
        ):
            return replace(event, metrics=finite_only(event.metrics))
        case _:
            return event


def _has_nonfinite(values: Iterable[float]) -> bool:
    return not all(map(math.isfinite, values))
