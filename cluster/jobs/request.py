"""What is sent to a cluster to be run there, as one value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

JobState: TypeAlias = Literal["pending", "running", "stopped", "succeeded", "failed"]
"""Where a job stands; the last three are ends."""

ENDS: frozenset[JobState] = frozenset({"stopped", "succeeded", "failed"})
"""States that a job does not leave."""

STOP_SECONDS = 120
"""Time a job gets between the wish to stop and its being killed, seconds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JobRequest:
    """A command with all that it needs on a cluster."""

    job_id: str
    """Identity of the job, unique on the cluster."""
    command: str
    """Command line, run in the packed folder."""
    working_dir: str | None
    """Local folder that is packed and unpacked on every node; None sends no files."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables of every process of the job."""
    image: str | None = None
    """Container image that the processes of the job run in; None: as the nodes are."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """What the job is found by."""
    cpus: float = 0.0
    """CPU cores kept for the command itself, >= 0."""

    def runtime_env(self) -> dict[str, object]:
        """Return Ray's description of the environment of the job's processes."""
        stop = {"RAY_JOB_STOP_WAIT_TIME_S": str(STOP_SECONDS)}
        found: dict[str, object] = {"env_vars": {**stop, **self.environment}}
        if self.working_dir is not None:
            found["working_dir"] = self.working_dir
        if self.image is not None:
            found["image_uri"] = self.image
        return found

    def shown(self) -> dict[str, object]:
        """Return the request as JSON types, with the variables' values left out."""
        return {
            "job_id": self.job_id,
            "command": self.command,
            "working_dir": self.working_dir,
            "environment": sorted(self.environment),
            "image": self.image,
            "labels": dict(self.labels),
            "cpus": self.cpus,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A job as its cluster knows it."""

    job_id: str
    """Identity of the job."""
    state: JobState
    """Where it stands."""
    message: str
    """Ray's message on the state; a failed job's holds the end of its log or a traceback."""
    labels: Mapping[str, str]
    """What the job is found by."""
    started: float | None
    """When, seconds since 1970; None before."""
    ended: float | None
    """When, seconds since 1970; None before."""
    command: str = ""
    """Its entrypoint."""
    error_type: str | None = None
    """Ray's name of the kind of failure; None where it did not fail."""
    node: str | None = None
    """Address of the node that runs the command; None where it is not known."""
    image: str | None = None
    """Container image of its processes; None: as the nodes are."""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Variables of its processes; values may be secret."""

    @property
    def over(self) -> bool:
        """Whether it has come to an end."""
        return self.state in ENDS
