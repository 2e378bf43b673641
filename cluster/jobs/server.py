"""Jobs on a Ray cluster, through its Jobs server."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import aiohttp
import ray
from ray.exceptions import AuthenticationError
from ray.job_submission import JobSubmissionClient

from cluster.capacity.nodes import node_of
from cluster.errors import ClusterError
from cluster.jobs.failure import cause
from cluster.jobs.request import Job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cluster.capacity.nodes import Node
    from cluster.jobs.request import JobRequest, JobState


_ADDRESS_VARIABLES = ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS")
_VERBOSE_LOGGERS = (
    "ray.dashboard.modules.dashboard_sdk",
    "ray.dashboard.modules.job.sdk",
    "ray._private.runtime_env.packaging",
)
"""Loggers of every upload."""
_RECONNECT_SECONDS = 2.0
_RECONNECTS = 30
"""Attempts in a row to reconnect; a minute of a head node that does not respond."""


class UnknownJobError(ValueError):
    """There is no job of that name on the cluster."""


class JobServer:
    """The Jobs server of one cluster."""

    def __init__(self, address: str) -> None:
        """Connect to ``address``, such as ``http://head:8265``.

        Raises:
            ClusterError: no server responds, it requires a token, or its version of Ray differs.
        """
        parts = urlsplit(address)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ClusterError(
                f"{address} is not the address of a Jobs server; give http://HEAD:8265, where HEAD "
                "is the head node and 8265 its dashboard port"
            )
        self.address = address.rstrip("/")
        for name in _VERBOSE_LOGGERS:
            logging.getLogger(name).setLevel(logging.ERROR)
        with _own_address(), _explained(self.address):
            self._client = JobSubmissionClient(self.address)
            version = str(self._get("/api/version")["ray_version"])
        if version != ray.__version__:
            raise ClusterError(
                f"the cluster at {self.address} has Ray {version}, this machine has Ray "
                f"{ray.__version__}; install the same version on both"
            )

    def submit(self, request: JobRequest) -> None:
        """Send ``request``; its files are packed and uploaded first.

        Raises:
            ClusterError: the cluster rejected it.
        """
        with _explained(self.address):
            self._client.submit_job(
                entrypoint=request.command,
                submission_id=request.job_id,
                runtime_env=request.runtime_env(),
                metadata=dict(request.labels),
                entrypoint_num_cpus=request.cpus,
            )

    def jobs(self) -> list[Job]:
        """Return all submitted jobs, the one started last first."""
        with _explained(self.address):
            jobs = [_job(info) for info in self._client.list_jobs() if info.submission_id]
        return sorted(jobs, key=lambda job: (job.started or 0.0, job.job_id), reverse=True)

    def job(self, job_id: str) -> Job:
        """Return the job in its current state.

        Raises:
            UnknownJobError: there is no such job.
        """
        with _explained(self.address, job_id):
            return _job(self._client.get_job_info(job_id))

    def logs(self, job_id: str) -> str:
        """Return the whole log of the job."""
        with _explained(self.address, job_id):
            return str(self._client.get_job_logs(job_id))

    def stop(self, job_id: str) -> bool:
        """Request the stop of the job; return whether it was running."""
        with _explained(self.address, job_id):
            return bool(self._client.stop_job(job_id))

    def nodes(self) -> list[Node]:
        """Return the nodes that are alive."""
        with _explained(self.address):
            nodes = self._get("/api/v0/nodes?detail=1&limit=10000")["data"]["result"]["result"]
        return [
            node_of(node["node_id"], node["resources_total"], node["labels"])
            for node in nodes
            if node["state"] == "ALIVE"
        ]

    def follow(
        self,
        job_id: str,
        write: Callable[[str], None],
        *,
        pause: Callable[[float], None] = time.sleep,
    ) -> Job:
        """Pass the job's log to ``write`` until its end; return the ended job.

        It reconnects after a broken connection, and writes nothing twice.

        Args:
            job_id: The job.
            write: Receives a piece of text, with newlines.
            pause: Sleeps for so many seconds.
        """
        written, failures = 0, 0
        while True:
            try:
                skip = written
                for piece in self.pieces(job_id):
                    fresh = piece[skip:] if skip < len(piece) else ""
                    skip = max(0, skip - len(piece))
                    written += len(fresh)
                    failures = 0
                    if fresh:
                        write(fresh)
                job = self.job(job_id)
                if job.over:
                    rest = self.logs(job_id)[written:]
                    if rest:
                        write(rest)
                    return job
            except (ClusterError, aiohttp.ClientError, RuntimeError, OSError) as error:
                failures += 1
                if failures > _RECONNECTS:
                    raise ClusterError(f"{self.address} no longer responds: {error}") from error
            pause(_RECONNECT_SECONDS)

    def pieces(self, job_id: str) -> Iterator[str]:
        """Yield the log of the job from its start, while it runs."""
        with asyncio.Runner() as runner:
            source = self._client.tail_job_logs(job_id)
            while True:
                piece = runner.run(_next(source))
                if piece is None:
                    return
                yield piece

    def _get(self, path: str) -> dict[str, Any]:
        response = self._client._do_request("GET", path)  # noqa: SLF001 - it sends the token
        response.raise_for_status()
        return cast("dict[str, Any]", response.json())


async def _next(source: Any) -> str | None:  # noqa: ANN401 - Ray's generator
    try:
        return str(await anext(source))
    except StopAsyncIteration:
        return None


def _job(details: Any) -> Job:  # noqa: ANN401 - Ray's pydantic model
    runtime_env = details.runtime_env or {}
    return Job(
        job_id=str(details.submission_id),
        state=cast("JobState", str(details.status.value).lower()),
        message=str(details.message or "").strip(),
        labels=dict(details.metadata or {}),
        started=_seconds(details.start_time),
        ended=_seconds(details.end_time),
        command=str(details.entrypoint or ""),
        error_type=details.error_type,
        node=urlsplit(details.driver_agent_http_address or "").hostname,
        image=runtime_env.get("image_uri"),
        environment=dict(runtime_env.get("env_vars") or {}),
    )


def _seconds(milliseconds: int | None) -> float | None:
    return milliseconds / 1000 if milliseconds else None


@contextmanager
def _own_address() -> Iterator[None]:
    """Hide the environment variables that override the given address."""
    hidden = {name: os.environ.pop(name) for name in _ADDRESS_VARIABLES if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(hidden)


@contextmanager
def _explained(address: str, job_id: str | None = None) -> Iterator[None]:
    """Translate Ray's errors into ones with advice; no message has a token."""
    try:
        yield
    except AuthenticationError as error:
        raise ClusterError(
            f"the cluster at {address} requires a token: put the head's token (there: 'ray "
            "get-auth-token') into the file ~/.ray/auth_token, or set "
            "RAY_AUTH_TOKEN_PATH, with RAY_AUTH_MODE=token"
        ) from error
    except (RuntimeError, ConnectionError, OSError, ValueError) as error:
        if job_id is not None and "does not exist" in str(error):
            raise UnknownJobError(f"there is no job {job_id!r} on {address}") from error
        raise ClusterError(f"{address}: {cause(str(error)) or type(error).__name__}") from error
