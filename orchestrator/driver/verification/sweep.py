"""A sweep in its folder, verified."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.driver.engine import CLASSES
from orchestrator.driver.verification.gather import read_files
from orchestrator.driver.verification.verify import verify_copies, verify_events
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.warm_start import recorded_warm_start
from orchestrator.search.cost_model import StaticCostModel
from orchestrator.spec.parse import load_spec
from orchestrator.sweep.make import setup_of
from orchestrator.tracking.history import read_tracked
from orchestrator.tracking.names import EPOCH_PREFIX, STATUS
from orchestrator.tracking.runs.writer import load_cursor

if TYPE_CHECKING:
    from orchestrator.driver.verification.findings import Finding
    from orchestrator.ledger.folders import SweepFolder

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
