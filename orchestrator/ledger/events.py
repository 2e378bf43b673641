"""The events of a sweep, which its ledger stores in order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
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
