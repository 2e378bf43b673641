"""Finds the job of a sweep on a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.driver.submission.request import SWEEP

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cluster.jobs.request import Job


class UnknownSubmissionError(ValueError):
    """The cluster has no such submission."""


def sweep_jobs(jobs: Iterable[Job]) -> list[Job]:
    """Return the jobs of sweeps, the latest first."""
    of_sweeps = [job for job in jobs if SWEEP in job.labels]
    return sorted(of_sweeps, key=lambda job: (job.started or 0.0, job.job_id), reverse=True)


def find_job(jobs: Iterable[Job], name: str | None) -> Job:
    """Return the last job of the sweep ``name``, or the job ``name``.

    Args:
        jobs: All jobs of the cluster.
        name: Id of a sweep or of a job, or a unique prefix of a sweep's id; None is the latest
            job.

    Raises:
        UnknownSubmissionError: there is none, or the prefix is ambiguous.
    """
    ours = sweep_jobs(jobs)
    if not ours:
        raise UnknownSubmissionError(
            "no sweep was submitted to this cluster; submit one with 'segsweep submit SPEC'"
        )
    if name is None:
        return ours[0]
    exact = [job for job in ours if job.labels[SWEEP] == name]
    exact = exact or [job for job in ours if job.job_id == name]
    if exact:
        return exact[0]
    begun = list(dict.fromkeys(j.labels[SWEEP] for j in ours if j.labels[SWEEP].startswith(name)))
    if len(begun) == 1:
        return next(job for job in ours if job.labels[SWEEP] == begun[0])
    known = ", ".join((begun or list(dict.fromkeys(job.labels[SWEEP] for job in ours)))[:10])
    what = "several sweeps begin with" if begun else "there is no sweep"
    raise UnknownSubmissionError(f"{what} {name!r} on this cluster; there are {known}")


def next_again(jobs: Iterable[Job], sweep_id: str) -> int:
    """Return the number of the next resubmission of the sweep, >= 1.

    Raises:
        UnknownSubmissionError: its last job is still running.
    """
    of_it = [job for job in sweep_jobs(jobs) if job.labels[SWEEP] == sweep_id]
    running = [job for job in of_it if not job.over]
    if running:
        raise UnknownSubmissionError(
            f"sweep {sweep_id} is {running[0].state} as job {running[0].job_id}; watch it with "
            f"'segsweep logs {sweep_id}', or stop it with 'segsweep stop {sweep_id}' first"
        )
    taken = {job.job_id for job in of_it}
    return next(n for n in range(1, len(taken) + 2) if f"{sweep_id}-again{n}" not in taken)
