"""Exports the artifacts of trials, measures their models before compression, logs both."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from orchestrator.driver.export_workers import run_jobs
from orchestrator.report.ablation import (
    REFERENCES,
    needed_references,
    read_reference_costs,
)
from orchestrator.report.files import make_report
from orchestrator.spec.networks import scored_alike
from orchestrator.tracking.client import TrackingError
from orchestrator.tracking.pages.publish import log_artifacts
from trainables.export.export import deployed_file
from trainables.export.jobs import CostJob, ExportJob, installed_formats, missing_libraries
from trainables.export.record import FOLDER, read_artifacts
from trainables.io.atomic import file_digest
from trainables.io.extras import EXTRA
from trainables.training.checkpoint import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.ledger.folders import SweepFolder
    from orchestrator.ledger.ledger import Ledger
    from orchestrator.report.model import SweepReport
    from orchestrator.spec.sweep_spec import SweepSpec
    from orchestrator.sweep.hooks import RunHooks
    from trainables.config import ArtifactFormat
    from trainables.export.record import Artifact

PROCESSES = 4
"""Most export processes at the same time; each takes about 1 GB of memory."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportResult:
    """Result of an export."""

    artifacts: Mapping[str, tuple[Artifact, ...]] = field(default_factory=dict)
    """Recorded artifacts of each requested trial; their files may be damaged."""
    problems: tuple[str, ...] = ()
    """Why artifacts could not be written, one line each."""
    interrupted: bool = False
    """Whether the export was stopped early."""


def wanted_trials(spec: SweepSpec, report: SweepReport) -> tuple[str, ...]:
    """Return the trials that ``spec.artifacts`` selects, the knee point first."""
    if spec.artifacts.trials == "none" or report.knee is None:
        return ()
    others = (row.trial_id for row in report.front if row.trial_id != report.knee)
    return (report.knee, *others) if spec.artifacts.trials == "front" else (report.knee,)


def settle_formats(wanted: Sequence[ArtifactFormat] | None) -> tuple[ArtifactFormat, ...]:
    """Return the wanted formats whose libraries are installed; None wants every format."""
    installed = installed_formats()
    return installed if wanted is None else tuple(name for name in wanted if name in installed)


def missing_note(wanted: Sequence[ArtifactFormat] | None) -> str | None:
    """Return the libraries to install for the wanted formats; None if none is missing."""
    unwritable = [name for name in wanted or ("pte", "onnx") if missing_libraries([name])]
    if not unwritable:
        return None
    formats = " and ".join(f".{name}" for name in unwritable)
    libraries = ", ".join(missing_libraries(unwritable))
    return (
        f"no {formats} artifacts were written: {libraries} cannot be imported; install with: "
        f"pip install '{EXTRA}'"
    )


def export_trials(
    spec: SweepSpec,
    folder: SweepFolder,
    trials: Sequence[str],
    formats: Sequence[ArtifactFormat],
    hooks: RunHooks,
) -> ExportResult:
    """Write the missing artifacts of ``trials``, each compared with its trained model.

    Complete artifacts are kept, so a stopped export resumes.

    Args:
        spec: Spec of the sweep.
        folder: Folder of the sweep.
        trials: Ids of complete trials.
        formats: Formats to write for each trial.
        hooks: Progress callbacks and the request to stop.
    """
    all_jobs = [_job(spec, folder, trial_id, formats) for trial_id in trials]
    missing = [_missing_formats(job, folder) for job in all_jobs]
    jobs = [job for job, formats_due in zip(all_jobs, missing, strict=True) if formats_due]
    total = sum(map(len, missing))
    started: set[tuple[int, str]] = set()

    def on_start(index: int, artifact: str) -> None:
        started.add((index, artifact))
        hooks.stage(f"artifact {artifact} of {jobs[index].trial_id}, {len(started)} of {total}")

    results = run_jobs(
        jobs,
        processes=min(PROCESSES, os.cpu_count() or 1),
        on_start=on_start,
        stop_requested=hooks.stop_requested,
    )
    return ExportResult(
        artifacts={trial: _recorded_artifacts(folder, trial) for trial in trials},
        problems=tuple(
            f"artifacts of {jobs[index].trial_id}: {result.error}"
            for index, result in sorted(results.items())
            if result.error is not None
        ),
        interrupted=len(results) < len(jobs),
    )


def _recorded_artifacts(folder: SweepFolder, trial_id: str) -> tuple[Artifact, ...]:
    return tuple(read_artifacts(folder.trials / trial_id / FOLDER).values())


def _job(
    spec: SweepSpec, folder: SweepFolder, trial_id: str, formats: Sequence[ArtifactFormat]
) -> ExportJob:
    return ExportJob(
        trial_id=trial_id,
        folder=str(folder.trials / trial_id),
        formats=tuple(formats),
        data=spec.data,
        cache_dir=str(spec.storage.cache_dir),
        scored_at=scored_alike(spec).eval_resolution,
        images=spec.artifacts.images,
    )


def _missing_formats(job: ExportJob, folder: SweepFolder) -> tuple[ArtifactFormat, ...]:
    """Return the formats whose artifact is missing, unverified, damaged or of other weights."""
    recorded = {each.format: each for each in _recorded_artifacts(folder, job.trial_id)}
    try:
        source = file_digest(deployed_file(folder.trials / job.trial_id))
    except CheckpointError:
        return job.formats  # the export process reports the error
    return tuple(
        name
        for name in job.formats
        if name not in recorded
        or recorded[name].verification is None
        or recorded[name].source != source
        or not recorded[name].is_intact()
    )


def measure_references(
    spec: SweepSpec,
    report: SweepReport,
    ledger: Ledger,
    num_classes: int,
    hooks: RunHooks,
) -> tuple[str, ...]:
    """Write the costs of the front's models before compression to ``ledger``; return the errors.

    Models are measured one at a time, so that they do not disturb each other. Costs that the ledger
    holds are not measured again.
    """
    known = read_reference_costs(ledger.fact(REFERENCES))
    wanted = needed_references(row.config for row in report.front)
    missing = {digest: config for digest, config in wanted.items() if digest not in known}
    jobs = [
        CostJob(
            config=config,
            num_classes=num_classes,
            target=spec.target,
            cache_dir=str(spec.storage.cache_dir),
            channels_last=spec.training.channels_last,
        )
        for config in missing.values()
    ]
    if not jobs:
        return ()
    hooks.stage(f"measuring {len(jobs)} model(s) before their compression")
    results = run_jobs(jobs, processes=1, stop_requested=hooks.stop_requested)
    digests = list(missing)
    measured = {digests[i]: result.figures for i, result in results.items() if not result.error}
    ledger.set_fact(REFERENCES, {**known, **measured})
    return tuple(
        f"the cost before compression was not measured: {result.error}"
        for result in results.values()
        if result.error
    )


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
