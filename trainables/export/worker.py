"""The process that runs export jobs, one after the other.

It reads pickled jobs from standard input, written by its parent process. It writes the progress and
the result of each job to standard output, as lines of JSON. Output of libraries is redirected to
standard error.
"""

from __future__ import annotations

import json
import os
import pickle
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, assert_never

from trainables.export.jobs import CostJob, ExportJob

if TYPE_CHECKING:
    from trainables.export.jobs import Job


def main() -> None:
    """Run jobs until standard input ends."""
    results = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    while True:
        try:
            job: Job = pickle.load(sys.stdin.buffer)  # noqa: S301 - from our own parent process
        except EOFError:
            return
        try:
            write_line(results, done=run_job(job, results))
        except Exception as error:  # noqa: BLE001 - one broken trial must not end the others
            write_line(results, error=str(error) or type(error).__name__, kind=type(error).__name__)


def run_job(job: Job, results: TextIO) -> dict[str, float]:
    """Run ``job``; return the figures of a cost job, nothing for an export, which writes files."""
    match job:
        case ExportJob():
            export(job, results)
            return {}
        case CostJob():
            return cost(job)
        case _:
            assert_never(job)


def export(job: ExportJob, results: TextIO) -> None:
    """Write and check the artifacts of a trial."""
    from search_spaces.config import TrialConfig  # noqa: PLC0415 - torch takes seconds
    from search_spaces.resolution import Resolution  # noqa: PLC0415 - torch takes seconds
    from trainables.data.dataset import build_datasets  # noqa: PLC0415
    from trainables.export.export import export_trial  # noqa: PLC0415
    from trainables.export.record import FOLDER  # noqa: PLC0415
    from trainables.training.checkpoint import BEST_WEIGHTS, load_weights  # noqa: PLC0415

    folder = Path(job.folder)
    config = TrialConfig.from_mapping(load_weights(folder / BEST_WEIGHTS)[1]["config"])
    scored_at = None if job.scored_at is None else Resolution.parse(job.scored_at)
    _, val = build_datasets(job.data, config.resolution, job.cache_dir, mask_resolution=scored_at)
    export_trial(
        folder,
        job.formats,
        folder / FOLDER,
        val=val,
        images=job.images,
        begin=lambda name: write_line(results, begin=name),
    )


def cost(job: CostJob) -> dict[str, float]:
    """Return the figures of a configuration, measured unless they are cached."""
    from trainables.compression.deployed import build_pruned  # noqa: PLC0415 - torch takes seconds
    from trainables.cost.cache import cached_profile  # noqa: PLC0415
    from trainables.cost.quiet import QuietNode, quiet_path  # noqa: PLC0415
    from trainables.cost.size import MB, checkpoint_mb  # noqa: PLC0415

    profile = cached_profile(
        job.config,
        job.num_classes,
        job.target,
        job.cache_dir,
        channels_last=job.channels_last,
        measuring=QuietNode(quiet_path()).measuring,
    )
    figures = profile.metrics()
    if "artifact_bytes" in figures:
        return {**figures, "size_mb": figures["artifact_bytes"] / MB}
    return {**figures, "size_mb": checkpoint_mb(build_pruned(job.config, job.num_classes))}


def write_line(results: TextIO, **values: object) -> None:
    """Write ``values`` as a line of JSON."""
    results.write(json.dumps(values) + "\n")
    results.flush()


if __name__ == "__main__":
    main()
