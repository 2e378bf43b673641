"""A job of a cluster: its request and its state."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

JobState: TypeAlias = Literal["pending", "running", "stopped", "succeeded", "failed"]
"""State of a job; the last three are final."""

ENDS: frozenset[JobState] = frozenset({"stopped", "succeeded", "failed"})
"""Final states."""

STOP_SECONDS = 120
"""Time between a stop request and the kill of the job, seconds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JobRequest:
    """A command with its files, environment and resources."""

    job_id: str
    """Identity of the job, unique on the cluster."""
    command: str
    """Command line, run in the packed folder."""
    working_dir: str | None
    """Local folder that is uploaded to every node; None uploads no files."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables of every process of the job."""
    image: str | None = None
    """Container image of the job's processes; None for the environment of the nodes."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Metadata by which the job is found."""
    cpus: float = 0.0
    """CPU cores reserved for the command itself, >= 0."""

    def runtime_env(self) -> dict[str, object]:
        """Return Ray's ``runtime_env`` of the job's processes."""
        stop = {"RAY_JOB_STOP_WAIT_TIME_S": str(STOP_SECONDS)}
        runtime_env: dict[str, object] = {"env_vars": {**stop, **self.environment}}
        if self.working_dir is not None:
            runtime_env["working_dir"] = self.working_dir
        if self.image is not None:
            runtime_env["image_uri"] = self.image
        return runtime_env

    def shown(self) -> dict[str, object]:
        """Return the request as JSON types, without the values of variables."""
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
    """A job that was submitted to a cluster."""

    job_id: str
    """Identity of the job."""
    state: JobState
    """Its state."""
    message: str
    """Ray's message on the state; a failed job's holds the end of its log or a traceback."""
    labels: Mapping[str, str]
    """Metadata by which the job is found."""
    started: float | None
    """Time of its start, seconds since 1970; None before."""
    ended: float | None
    """Time of its end, seconds since 1970; None before."""
    command: str = ""
    """Its entrypoint."""
    error_type: str | None = None
    """Ray's name of the kind of failure; None where it did not fail."""
    node: str | None = None
    """Address of the node that runs the command; None where it is not known."""
    image: str | None = None
    """Container image of its processes; None for the environment of the nodes."""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Variables of its processes; values may be secret."""

    @property
    def over(self) -> bool:
        """Whether its state is final."""
        return self.state in ENDS
