"""The facts a sweep is made of, in the order in which they happened."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from search_spaces.domains import Value
    from search_spaces.space import Config
    from trainables.session.messages import FinalCheckKind, Interruption, TrialState

SYSTEM_PREFIX = "system/"
"""Before the name of a figure of the machine rather than of the configuration; MLflow shows these
apart."""


TEST_PREFIX = "test_"
"""Before the name of a figure of the test split, which nothing of a search may read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialAsked:
    """A configuration was proposed; written before anything acts on it."""

    trial_id: str
    number: int
    """Order of proposal, from 0; with the sweep's seed it determines the proposal's randomness."""
    config: Config
    known: dict[str, float] = field(default_factory=dict)
    """Metrics known before training, such as ``flops`` and ``params``."""
    seconds: float = 0.0
    """When, in seconds since the sweep began."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialStarted:
    """A trial was handed to the lanes, for the first time or again."""

    trial_id: str
    attempt: int = 1
    """1 for the first start, one more for each start after an interruption."""
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
    """The scheduler judged a trial at a rung; what the report's explanations are made of."""

    trial_id: str
    action: Literal["continue", "stop", "pause"]
    rung: int
    """Epochs of the rung."""
    rank: int
    """Place among the rung's trials at that moment, from 1."""
    of: int
    """Number of trials at the rung at that moment."""
    reason: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialEnded:
    """A trial is over."""

    trial_id: str
    state: TrialState
    reason: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    """Final figures; the last reported ones for a stopped trial."""
    artifacts: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialInterrupted:
    """A trial's lane was lost, or was said to be lost soon; the trial itself is not over."""

    trial_id: str
    cause: Interruption
    reason: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialRestored:
    """A trial went on from its state, or from nothing."""

    trial_id: str
    epoch: int
    """Whole epochs in the state."""
    trained_seconds: float
    """Seconds of training in the state."""
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialExamined:
    """A complete trial was examined after the search; no decision of the search reads it."""

    trial_id: str
    kind: FinalCheckKind
    """What was examined."""
    metrics: dict[str, float] = field(default_factory=dict)
    """What was found; empty where the examination failed."""
    details: dict[str, Value] = field(default_factory=dict)
    """How a latency was measured."""
    ruled_out: str = ""
    """Which constraint the figures break, so that the trial is infeasible; empty for none."""
    reason: str = ""
    """Why it failed; empty where it did not."""
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
