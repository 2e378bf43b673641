"""Which job of a cluster a name means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.driver.submission.request import SWEEP

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cluster.jobs.request import Job


class UnknownSubmissionError(ValueError):
    """No submission of that name is on the cluster."""


def sweep_jobs(jobs: Iterable[Job]) -> list[Job]:
    """Return the jobs that drive a sweep, the one begun last first."""
    found = [job for job in jobs if SWEEP in job.labels]
    return sorted(found, key=lambda job: (job.started or 0.0, job.job_id), reverse=True)


def find_job(jobs: Iterable[Job], name: str | None) -> Job:
    """Return the last job of the sweep called ``name``, or the job called so.

    Args:
        jobs: All jobs of the cluster.
        name: Id of a sweep or of a job, or a beginning that only one sweep has; None takes the
            job begun last.

    Raises:
        UnknownSubmissionError: there is none, or several sweeps begin so.
    """
    ours = sweep_jobs(jobs)
    if not ours:
        raise UnknownSubmissionError(
            "no sweep was submitted to this cluster; do so with 'segsweep submit SPEC'"
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
    """Return the place of a further submission of the sweep, >= 1.

    Raises:
        UnknownSubmissionError: the last one is not over yet.
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
