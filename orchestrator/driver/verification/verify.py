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
    """Return the contradictions within the ledger, and with the deciders rebuilt from it.

    Args:
        events: All events, in the ledger's order.
        epochs: Epochs of a full training, >= 1.
        scheduler: Makes the scheduler in its initial state.
        searcher: Makes the searcher in its initial state, with its warm start.
        propose: Whether to compare the searcher's proposals too.
    """
    findings = invariant_findings(events, epochs=epochs)
    if findings:
        return findings  # the deciders rely on these invariants
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
    """Return the differences of the trials' folders and MLflow runs from the ledger.

    Args:
        events: All events, in the ledger's order, without contradictions.
        objectives: Objectives of the front.
        files: Files of the folders.
        tracked: Runs of the tracking store; None to skip them.
        statuses: Status of a run by the state of its trial.
        epoch_prefix: Prefix of the keys of metrics of every epoch.
        driven: Whether a driver is running, so that the copies may be behind.
        behind: Whether the store lacks events, which the next driver writes.
    """
    records = fold(events)
    findings = file_findings(records, files, front=front_of(records, objectives), driven=driven)
    if tracked is not None and not driven:
        findings += run_findings(
            records, tracked, statuses=statuses, epoch_prefix=epoch_prefix, behind=behind
        )
    return findings


def front_of(records: SweepRecords, objectives: Sequence[Objective]) -> frozenset[str]:
    """Return the complete trials of the Pareto front."""
    complete = [
        trial for trial in records.complete if all(o.name in trial.metrics for o in objectives)
    ]
    if not complete:
        return frozenset()
    points = [[trial.metrics[objective.name] for objective in objectives] for trial in complete]
    return frozenset(complete[int(index)].trial_id for index in pareto_front(points, objectives))


CURSOR = "mlflow-cursor.json"
"""File in a sweep's folder with the number of ledger events that MLflow has."""


def verify_sweep(
    folder: SweepFolder, *, mlflow: bool = True, propose: bool = False
) -> list[Finding]:
    """Return every contradiction between a sweep's ledger, deciders, files and MLflow runs.

    Of a running sweep, only the ledger and the files of ended trials are checked.

    Args:
        folder: Folder of the sweep.
        mlflow: Whether to compare the MLflow runs too.
        propose: Whether to compare the searcher's proposals too; as slow as in the sweep.

    Raises:
        SpecError: the spec cannot be read.
        LedgerError: the ledger cannot be read.
        TrackingError: the tracking store does not answer.
    """
    spec = load_spec(folder.spec)
    driven = folder.is_driven()
    with Ledger(folder.ledger) as ledger:
        events = [event for _, event in ledger.events()]
        costs = StaticCostModel(_num_classes(ledger))
        setup = setup_of(spec, costs, earlier=recorded_warm_start(ledger).events)
        findings = verify_events(
            events,
            epochs=spec.budget.epochs,
            scheduler=setup.scheduler,
            searcher=setup.searcher,
            propose=propose,
        )
    if any(finding.place == "ledger" for finding in findings):
        return findings
    tracked = read_tracked(spec.tracking_uri, folder.sweep_id) if mlflow and not driven else None
    written = load_cursor(folder.path / CURSOR).seq
    return findings + verify_copies(
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
    count = ledger.fact(CLASSES)
    return count if isinstance(count, int) else 2  # only affects new proposals
