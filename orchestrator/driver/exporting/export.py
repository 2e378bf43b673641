"""The artifacts that a sweep's trials leave."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.driver.exporting.workers import run_jobs
from orchestrator.spec.resolutions import scored_alike
from trainables.compression.extras import EXTRA
from trainables.export.export import deployed_file
from trainables.export.jobs import ExportJob, installed_formats, missing_libraries
from trainables.export.record import FOLDER, read_artifacts
from trainables.io.atomic import file_digest
from trainables.training.checkpoint import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.ledger.folders import SweepFolder
    from orchestrator.report.model import SweepReport
    from orchestrator.spec.sweep_spec import SweepSpec
    from orchestrator.sweep.hooks import RunHooks
    from trainables.config import ArtifactFormat
    from trainables.export.record import Artifact

PROCESSES = 4
"""Most processes that write artifacts at the same time; each takes about a gigabyte."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Exported:
    """What came of an export."""

    artifacts: Mapping[str, tuple[Artifact, ...]] = field(default_factory=dict)
    """What lies there of each trial that was asked for, whole or not."""
    problems: tuple[str, ...] = ()
    """What could not be written, and why."""
    interrupted: bool = False
    """Whether it was stopped before its end."""


def wanted_trials(spec: SweepSpec, report: SweepReport) -> tuple[str, ...]:
    """Return the trials that leave artifacts as ``spec`` says, the knee point first."""
    if spec.artifacts.trials == "none" or report.knee is None:
        return ()
    others = (row.trial_id for row in report.front if row.trial_id != report.knee)
    return (report.knee, *others) if spec.artifacts.trials == "front" else (report.knee,)


def settle_formats(wanted: Sequence[ArtifactFormat] | None) -> tuple[ArtifactFormat, ...]:
    """Return the formats to write: those wanted that can be, or all that can be for None."""
    installed = installed_formats()
    return installed if wanted is None else tuple(name for name in wanted if name in installed)


def missing_note(wanted: Sequence[ArtifactFormat] | None) -> str | None:
    """Return what to install for the formats that are wanted and cannot be written; else None."""
    lacking = [name for name in wanted or ("pte", "onnx") if missing_libraries([name])]
    if not lacking:
        return None
    formats = " and ".join(f".{name}" for name in lacking)
    libraries = ", ".join(missing_libraries(lacking))
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
) -> Exported:
    """Write what is missing of the artifacts of ``trials``, each checked against its model.

    What lies there whole is kept, so that an export which was stopped goes on where it was.

    Args:
        spec: The sweep.
        folder: Its folder.
        trials: Identities of complete trials.
        formats: What each is to leave.
        hooks: How the caller follows and steers it.
    """
    jobs = [_job(spec, folder, trial_id, formats) for trial_id in trials]
    wanting = [_wanting(job, folder) for job in jobs]
    kept = [job for job, lacks in zip(jobs, wanting, strict=True) if lacks]
    begun: set[tuple[int, str]] = set()

    def begin(place: int, what: str) -> None:
        begun.add((place, what))
        hooks.stage(f"artifact {what} of {kept[place].trial_id}, {len(begun)} of {most}")

    most = sum(map(len, wanting))
    done = (
        run_jobs(
            kept,
            processes=min(PROCESSES, os.cpu_count() or 1),
            begin=begin,
            stop_requested=hooks.stop_requested,
        )
        if kept
        else {}
    )
    problems = tuple(
        f"artifacts of {kept[place].trial_id}: {found.error}"
        for place, found in sorted(done.items())
        if found.error is not None
    )
    return Exported(
        artifacts={trial: shipped(folder, trial) for trial in trials},
        problems=problems,
        interrupted=len(done) < len(kept),
    )


def shipped(folder: SweepFolder, trial_id: str) -> tuple[Artifact, ...]:
    """Return the artifacts that a trial's record tells of; their files are not looked at."""
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


def _wanting(job: ExportJob, folder: SweepFolder) -> tuple[ArtifactFormat, ...]:
    """Return the formats that the job's trial lacks, or has of other weights or unchecked."""
    found = {each.format: each for each in shipped(folder, job.trial_id)}
    try:
        source = file_digest(deployed_file(folder.trials / job.trial_id))
    except CheckpointError:
        return job.formats  # whoever writes will say so
    return tuple(
        name
        for name in job.formats
        if name not in found
        or found[name].verification is None
        or found[name].source != source
        or not found[name].is_whole()
    )
