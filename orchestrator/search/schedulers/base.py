"""The interface of early-stopping schedulers, and the scheduler that stops nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from orchestrator.ledger.events import TrialJudged

if TYPE_CHECKING:
    from orchestrator.ledger.events import SweepEvent


Action: TypeAlias = Literal["continue", "stop", "pause"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What happens to a trial after an epoch; without a rung it continues."""

    action: Action
    rung: int | None = None
    """Epochs of the rung; None between rungs."""
    rank: int | None = None
    """Rank among the rung's trials, from 1; None between rungs."""
    of: int | None = None
    """Number of the rung's trials at the decision; None between rungs."""
    reason: str = ""
    """Text for the report."""


CONTINUE = Decision(action="continue")


def judgement(trial_id: str, decision: Decision, *, seconds: float) -> TrialJudged | None:
    """Return the event that records ``decision``; None between rungs."""
    if decision.rung is None or decision.rank is None or decision.of is None:
        return None
    return TrialJudged(
        trial_id=trial_id,
        action=decision.action,
        rung=decision.rung,
        rank=decision.rank,
        of=decision.of,
        reason=decision.reason,
        seconds=seconds,
    )


class Scheduler(Protocol):
    """Stops, pauses and resumes trials. All state comes from ``observe``, as for searchers."""

    def observe(self, event: SweepEvent) -> None:
        """Update the state by one event; events come in ledger order, each once."""

    def decide(self, trial_id: str) -> Decision:
        """Return the decision on the trial whose epoch was observed last; changes no state."""

    def promote(self) -> str | None:
        """Return the best paused trial that may resume; None where there is none."""


class NoStopping:
    """Continues every trial to full training."""

    def observe(self, event: SweepEvent) -> None:
        """Ignore the event."""

    def decide(self, trial_id: str) -> Decision:  # noqa: ARG002
        """Return the decision to continue."""
        return CONTINUE

    def promote(self) -> str | None:
        """Return None, as no trial is ever paused."""
        return None
