"""The contract every early-stopping scheduler keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from orchestrator.ledger.events import TrialJudged

if TYPE_CHECKING:
    from orchestrator.ledger.events import SweepEvent

Action: TypeAlias = Literal["continue", "stop", "pause"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What happens to a trial after an epoch, with the reason a report can show."""

    action: Action
    rung: int | None = None
    """Epochs of the rung the trial was judged at; None between rungs."""
    rank: int | None = None
    """Place among the rung's trials, from 1; None between rungs."""
    of: int | None = None
    """Number of trials at the rung when it was judged; None between rungs."""
    reason: str = ""


CONTINUE = Decision(action="continue")


def judgement(trial_id: str, decision: Decision, *, seconds: float) -> TrialJudged | None:
    """Return the event that keeps ``decision`` for the report; None between rungs."""
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
    """Judges running trials; all state comes from ``observe``, as for searchers."""

    def observe(self, event: SweepEvent) -> None:
        """Take note of one event; events come in ledger order, each once."""

    def decide(self, trial_id: str) -> Decision:
        """Return what happens to the trial whose epoch was observed last; changes nothing."""

    def promote(self) -> str | None:
        """Return a paused trial that should go on now, best first; None where there is none."""
