"""The jobs of sweeps on a cluster: finds them, their Python environment and why they failed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from cluster.jobs.failure import LOG_CHARACTERS, LOG_LINES, cause, log_end, missing_program
from orchestrator.driver.submission import SWEEP, python_of
from orchestrator.ledger.identity import COMMIT_VARIABLE
from orchestrator.spec.sweep_spec import STORAGE_VARIABLE
from trainables.io.redaction import redact, redact_values

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cluster.jobs.request import Job
    from orchestrator.driver.submission import JobSettings


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


_MODULE = " -m orchestrator."


@dataclass(frozen=True, kw_only=True, slots=True)
class JobEnvironment:
    """Python, image and variables of a job."""

    python: str
    """Beginning of the command line."""
    image: str | None = None
    """Container image; None runs on the nodes directly."""
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Environment variables; values may be secret."""


INSTALLED = JobEnvironment(python=python_of("installed"))
LOCKED = JobEnvironment(python=python_of("locked"))


def environment_of(job: Job) -> JobEnvironment | None:
    """Return the environment of a job; None if its command does not start our code."""
    python, ours, _ = job.command.partition(_MODULE)
    if not ours:
        return None
    return JobEnvironment(python=python, image=job.image, variables=dict(job.environment))


def as_submitted(settings: JobSettings, job: Job) -> JobSettings:
    """Return the settings with the Python and the image of the sweep's earlier job."""
    before = environment_of(job)
    if before is None:
        return settings
    locked = before.python.startswith("uv ")
    return replace(settings, environment="locked" if locked else "installed", image=before.image)


def environments_for_probe(jobs: Iterable[Job]) -> list[JobEnvironment]:
    """Return the environments to examine a cluster with, in order of preference.

    First that of a running sweep, else of the last one that did not fail, else of the last one.
    Then the Python of the nodes, then the locked packages.

    Args:
        jobs: All jobs of the cluster.
    """
    ranked = sorted(sweep_jobs(jobs), key=lambda job: (job.over, job.state == "failed"))
    submitted = next(filter(None, map(environment_of, ranked)), None)
    used = [] if submitted is None else [submitted]
    known = {(each.python, each.image) for each in used}
    return used + [each for each in (INSTALLED, LOCKED) if (each.python, each.image) not in known]


_PUBLIC = frozenset({COMMIT_VARIABLE, STORAGE_VARIABLE})
"""Variables that every submission sets; their values are not secret."""
_REMEDIES = {
    "uv": "install uv there (https://docs.astral.sh/uv), or give --installed to use the Python "
    "packages of the nodes",
    "python": "start Ray there with the folder of its Python on the PATH, or give --locked if the "
    "nodes have uv",
}


def failure(job: Job, log: str = "") -> str:
    """Return why a job failed and what to do, in one line; empty if Ray reports nothing.

    Args:
        job: The job.
        log: Its log; empty uses the part in Ray's message.
    """
    program = missing_program(job.command, log or job.message)
    if program not in _REMEDIES:
        return cause(_without_secrets(job, job.message)) or job.error_type or ""
    node = f"node {job.node}" if job.node else "the node that runs the job"
    return f"{node} has no program {program!r} on its PATH; {_REMEDIES[program]}"


def failure_with_log(job: Job, log: str) -> str:
    """Return why a job failed, with the end of its log."""
    kind = f" ({job.error_type})" if job.error_type else ""
    head = f"job {job.job_id} failed{kind}: {failure(job, log) or 'Ray reports no reason'}"
    quoted = _end_of(job, log)
    return "\n  ".join([head, *(["the end of its log:", *quoted] if quoted else [])])


def last_line(job: Job, log: str) -> str:
    """Return the last line of a job's log."""
    return next(iter(_end_of(job, log, 1)), "nothing written yet")


def _end_of(job: Job, log: str, lines: int = LOG_LINES) -> list[str]:
    """Return the last lines; secrets are redacted first, because cutting could split one."""
    return log_end(_without_secrets(job, log[-LOG_CHARACTERS:]), lines)


def _without_secrets(job: Job, text: str) -> str:
    secret = {name: value for name, value in job.environment.items() if name not in _PUBLIC}
    return redact(redact_values(text, secret))
