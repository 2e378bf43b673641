"""Contradictions between a ledger and the searcher and scheduler rebuilt from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.driver.verification.findings import Finding
from orchestrator.ledger.events import EpochReported, TrialAsked, TrialJudged

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.search.schedulers.base import Scheduler
    from orchestrator.search.searchers.base import Searcher


def scheduler_findings(events: Sequence[SweepEvent], scheduler: Scheduler) -> list[Finding]:
    """Return every judgement on record that a new ``scheduler`` fed with the events would not make.

    An epoch at a rung without a judgement is one too, unless it is the last event: then the driver
    died in between, and the sweep makes the judgement when it resumes.
    """
    found: list[Finding] = []
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
                    f"{at} the ledger says {following.action} (place {following.rank} of "
                    f"{following.of}), replayed it is {decision.action} (place {decision.rank} of "
                    f"{decision.of})"
                )
                found.append(_finding("scheduler", event.trial_id, message))
        elif decision.rung is not None and following is not None:
            found.append(_finding("scheduler", event.trial_id, f"{at} it was never judged"))
    return found


def searcher_findings(
    events: Iterable[SweepEvent], searcher: Searcher, *, propose: bool = False
) -> list[Finding]:
    """Return what a new ``searcher`` cannot take of the events.

    Args:
        events: All events of a sweep, in the ledger's order.
        searcher: A searcher as the sweep began with, its warm start included.
        propose: Let it propose every trial again too, and compare; as slow as proposing was.
    """
    found: list[Finding] = []
    for event in events:
        try:
            if propose and isinstance(event, TrialAsked):
                again = searcher.propose(event.number)
                if again != event.config:
                    message = f"the searcher would propose {again}, the ledger has {event.config}"
                    found.append(_finding("searcher", event.trial_id, message))
            searcher.observe(event)
        except Exception as error:  # noqa: BLE001 - whatever it cannot take is a finding
            message = f"{type(event).__name__} cannot be taken in: {error!r}"
            found.append(_finding("searcher", event.trial_id, message))
    return found


def _finding(place: str, trial_id: str, message: str) -> Finding:
    return Finding(
        place="scheduler" if place == "scheduler" else "searcher",
        subject=trial_id,
        message=message,
    )
