"""All contradictions between what a sweep has written in several places."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.driver.verification.deciders import scheduler_findings, searcher_findings
from orchestrator.driver.verification.files import file_findings
from orchestrator.driver.verification.invariants import invariant_findings
from orchestrator.driver.verification.runs import run_findings
from orchestrator.ledger.records import fold
from orchestrator.search.pareto import pareto_front

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from orchestrator.driver.verification.files import SweepFiles
    from orchestrator.driver.verification.findings import Finding
    from orchestrator.ledger.events import SweepEvent
    from orchestrator.ledger.records import RecordState, SweepRecords
    from orchestrator.search.schedulers.base import Scheduler
    from orchestrator.search.searchers.base import Searcher
    from orchestrator.spec.objectives import Objective
    from orchestrator.tracking.history import TrackedSweep


def verify_events(
    events: Sequence[SweepEvent],
    *,
    epochs: int,
    scheduler: Callable[[], Scheduler],
    searcher: Callable[[], Searcher],
    propose: bool = False,
) -> list[Finding]:
    """Return what is wrong within the ledger, or between it and what decides from it.

    Args:
        events: All events, in the ledger's order.
        epochs: Epochs of a full training, >= 1.
        scheduler: Makes the scheduler as the sweep began with.
        searcher: Makes the searcher as the sweep began with, its warm start included.
        propose: Let the searcher propose every trial again, too.
    """
    found = invariant_findings(events, epochs=epochs)
    if found:
        return found  # the deciders rely on these invariants
    return [
        *scheduler_findings(events, scheduler()),
        *searcher_findings(events, searcher(), propose=propose),
    ]


def verify_copies(
    events: Sequence[SweepEvent],
    objectives: Sequence[Objective],
    *,
    files: SweepFiles,
    tracked: TrackedSweep | None,
    statuses: Mapping[RecordState, str],
    epoch_prefix: str,
    driven: bool,
    behind: bool = False,
) -> list[Finding]:
    """Return what the trials' folders and their MLflow runs have otherwise than the ledger.

    Args:
        events: All events, in the ledger's order, without a contradiction among themselves.
        objectives: What the front is spanned by.
        files: What lies in the folders.
        tracked: The runs; None where no tracking store is to be compared.
        statuses: The status of a run that belongs to each state.
        epoch_prefix: Beginning of the keys of figures measured every epoch.
        driven: Whether a driver is at work, so that the copies may be behind.
        behind: Whether the store does not have all events yet, which the next driver mends.
    """
    records = fold(events)
    found = file_findings(records, files, front=front_of(records, objectives), driven=driven)
    if tracked is not None and not driven:
        found += run_findings(
            records, tracked, statuses=statuses, epoch_prefix=epoch_prefix, behind=behind
        )
    return found


def front_of(records: SweepRecords, objectives: Sequence[Objective]) -> frozenset[str]:
    """Return the complete trials that no other one dominates."""
    complete = [
        trial for trial in records.complete if all(o.name in trial.metrics for o in objectives)
    ]
    if not complete:
        return frozenset()
    points = [[trial.metrics[each.name] for each in objectives] for trial in complete]
    return frozenset(complete[int(index)].trial_id for index in pareto_front(points, objectives))
