"""The Python environment of a sweep's job."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from orchestrator.driver.submission.find import sweep_jobs
from orchestrator.driver.submission.request import python_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cluster.jobs.request import Job
    from orchestrator.driver.submission.request import JobSettings

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
