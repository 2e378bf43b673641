"""All contradictions between the records of a sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.driver.engine import CLASSES
from orchestrator.driver.verification.files import file_findings, read_files
from orchestrator.driver.verification.ledger import (
    invariant_findings,
    scheduler_findings,
    searcher_findings,
)
from orchestrator.driver.verification.runs import run_findings
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.records import fold
from orchestrator.ledger.warm_start import recorded_warm_start
from orchestrator.search.cost_model import StaticCostModel
from orchestrator.search.pareto import pareto_front
from orchestrator.spec.parse import load_spec
from orchestrator.sweep.make import setup_of
from orchestrator.tracking.history import read_tracked
from orchestrator.tracking.names import EPOCH_PREFIX, STATUS
from orchestrator.tracking.runs.writer import load_cursor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from orchestrator.driver.verification.files import SweepFiles
    from orchestrator.driver.verification.ledger import Finding
    from orchestrator.ledger.events import SweepEvent
    from orchestrator.ledger.folders import SweepFolder
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


CURSOR = "mlflow-cursor.json"
"""File in a sweep's folder that says how far MLflow has its ledger."""


def verify_sweep(
    folder: SweepFolder, *, mlflow: bool = True, propose: bool = False
) -> list[Finding]:
    """Return every contradiction between a sweep's ledger, deciders, files and MLflow runs.

    A sweep that is being driven is held to its ledger and its ended trials' files alone.

    Args:
        folder: The sweep.
        mlflow: Compare the runs, too.
        propose: Let the searcher propose every trial again, too; as slow as proposing was.

    Raises:
        SpecError: the sweep's spec cannot be read.
        LedgerError: its ledger cannot be read.
        TrackingError: the tracking store does not answer.
    """
    spec = load_spec(folder.spec)
    driven = folder.is_driven()
    with Ledger(folder.ledger) as ledger:
        events = [event for _, event in ledger.events()]
        costs = StaticCostModel(_num_classes(ledger))
        setup = setup_of(spec, costs, earlier=recorded_warm_start(ledger).events)
        found = verify_events(
            events,
            epochs=spec.budget.epochs,
            scheduler=setup.scheduler,
            searcher=setup.searcher,
            propose=propose,
        )
    if any(finding.place == "ledger" for finding in found):
        return found
    tracked = read_tracked(spec.tracking_uri, folder.sweep_id) if mlflow and not driven else None
    written = load_cursor(folder.path / CURSOR).seq
    return found + verify_copies(
        events,
        spec.objectives,
        files=read_files(folder),
        tracked=tracked,
        statuses=STATUS,
        epoch_prefix=EPOCH_PREFIX,
        driven=driven,
        behind=written < len(events),
    )


def _num_classes(ledger: Ledger) -> int:
    kept = ledger.fact(CLASSES)
    return kept if isinstance(kept, int) else 2  # matters to new proposals alone
