"""The environment that a sweep was submitted with, read from its job."""

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
    """How a job starts Python."""

    python: str
    """Beginning of its command line."""
    image: str | None = None
    """Container image of its processes; None: as the nodes are."""
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Variables of its processes; values may be secret."""


INSTALLED = JobEnvironment(python=python_of("installed"))
LOCKED = JobEnvironment(python=python_of("locked"))


def environment_of(job: Job) -> JobEnvironment | None:
    """Return the environment of a sweep's job; None where its command starts no Python of ours."""
    python, ours, _ = job.command.partition(_MODULE)
    if not ours:
        return None
    return JobEnvironment(python=python, image=job.image, variables=dict(job.environment))


def as_submitted(settings: JobSettings, job: Job) -> JobSettings:
    """Return the settings with the Python and the image that the sweep's earlier job had."""
    before = environment_of(job)
    if before is None:
        return settings
    locked = before.python.startswith("uv ")
    return replace(settings, environment="locked" if locked else "installed", image=before.image)


def environments_for_probe(jobs: Iterable[Job]) -> list[JobEnvironment]:
    """Return the environments to look at a cluster with, in the order they are tried.

    First that of a sweep which runs, else of the last one that did not fail, else of the last one;
    then the nodes' own Python, then the locked packages.

    Args:
        jobs: All jobs of the cluster.
    """
    ranked = sorted(sweep_jobs(jobs), key=lambda job: (job.over, job.state == "failed"))
    submitted = next(filter(None, map(environment_of, ranked)), None)
    used = [] if submitted is None else [submitted]
    known = {(each.python, each.image) for each in used}
    return used + [each for each in (INSTALLED, LOCKED) if (each.python, each.image) not in known]
