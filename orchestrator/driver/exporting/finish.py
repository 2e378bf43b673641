"""Exports the artifacts of a finished sweep and logs them to MLflow."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.driver.exporting.export import (
    ExportResult,
    export_trials,
    missing_note,
    settle_formats,
    wanted_trials,
)
from orchestrator.driver.exporting.references import measure_references
from orchestrator.report.files import make_report
from orchestrator.tracking.client import TrackingError
from orchestrator.tracking.pages.publish import log_artifacts

if TYPE_CHECKING:
    from orchestrator.ledger.folders import SweepFolder
    from orchestrator.ledger.ledger import Ledger
    from orchestrator.spec.sweep_spec import SweepSpec
    from orchestrator.sweep.hooks import RunHooks


def export_artifacts(
    spec: SweepSpec, folder: SweepFolder, ledger: Ledger, num_classes: int, hooks: RunHooks
) -> ExportResult:
    """Write the missing artifacts of the trials that ``spec.artifacts`` selects.

    The costs of the uncompressed models are measured first, while no other process computes. A
    failed export is reported among the problems and does not change the sweep's results.

    Args:
        spec: Spec of the finished sweep.
        folder: Folder of the sweep.
        ledger: Ledger of the sweep; receives the measured costs.
        num_classes: Classes of the data set, >= 2.
        hooks: Progress callbacks and the request to stop.
    """
    report = make_report(spec, folder)
    problems = measure_references(spec, report, ledger, num_classes, hooks)
    trials = wanted_trials(spec, report)
    if not trials:
        return ExportResult(problems=problems)
    formats = settle_formats(spec.artifacts.formats)
    exported = export_trials(spec, folder, trials, formats, hooks)
    note = missing_note(spec.artifacts.formats)
    return replace(
        exported, problems=(*problems, *exported.problems, *([] if note is None else [note]))
    )


def log_artifacts_of(
    spec: SweepSpec, folder: SweepFolder, exported: ExportResult
) -> tuple[str, ...]:
    """Log artifacts to the MLflow runs of their trials; return the errors."""
    try:
        log_artifacts(
            spec.tracking_uri, spec.tracking.experiment, folder.sweep_id, exported.artifacts
        )
    except TrackingError as error:
        return (f"the artifacts are not in MLflow: {error}",)
    return ()
