"""What is left to be deployed when a sweep ends."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.driver.exporting.export import (
    Exported,
    export_trials,
    missing_note,
    settle_formats,
    wanted_trials,
)
from orchestrator.driver.exporting.references import measure_references
from orchestrator.report.results import make_report
from orchestrator.tracking.errors import TrackingError
from orchestrator.tracking.pages.deployables import log_artifacts

if TYPE_CHECKING:
    from orchestrator.ledger.folders import SweepFolder
    from orchestrator.ledger.ledger import Ledger
    from orchestrator.spec.sweep_spec import SweepSpec
    from orchestrator.sweep.hooks import RunHooks


def leave_artifacts(
    spec: SweepSpec, folder: SweepFolder, ledger: Ledger, num_classes: int, hooks: RunHooks
) -> Exported:
    """Return what the trials that ``spec`` names leave to be deployed, written where it is not yet.

    What their compression is compared with is measured first, while nothing else computes. What
    cannot be written is a problem noted; the sweep's results stand.

    Args:
        spec: The sweep, which has come to its end.
        folder: Its folder.
        ledger: Its ledger, which keeps what was measured.
        num_classes: Classes of the data set, >= 2.
        hooks: How the caller follows and steers it.
    """
    report = make_report(spec, folder)
    problems = measure_references(spec, report, ledger, num_classes, hooks)
    trials = wanted_trials(spec, report)
    if not trials:
        return Exported(problems=problems)
    formats = settle_formats(spec.artifacts.formats)
    exported = export_trials(spec, folder, trials, formats, hooks)
    note = missing_note(spec.artifacts.formats)
    return replace(
        exported, problems=(*problems, *exported.problems, *([] if note is None else [note]))
    )


def log_exported(spec: SweepSpec, folder: SweepFolder, exported: Exported) -> tuple[str, ...]:
    """Log artifacts to the MLflow runs of their trials; return what kept them out, if anything."""
    try:
        log_artifacts(
            spec.tracking_uri, spec.tracking.experiment, folder.sweep_id, exported.artifacts
        )
    except TrackingError as error:
        return (f"the artifacts are not in MLflow: {error}",)
    return ()
