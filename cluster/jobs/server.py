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
_TALKATIVE = (
    "ray.dashboard.modules.dashboard_sdk",
    "ray.dashboard.modules.job.sdk",
    "ray._private.runtime_env.packaging",
)
"""Loggers that tell of every upload."""
_RECONNECT_SECONDS = 2.0
_RECONNECTS = 30
"""Attempts in a row to hear a job again; a minute of a head that does not answer."""


class UnknownJobError(ValueError):
    """There is no job of that name on the cluster."""


class JobServer:
    """The Jobs server of one cluster."""

    def __init__(self, address: str) -> None:
        """Connect to ``address``, such as ``http://head:8265``.

        Raises:
            ClusterError: nothing answers there, it wants a token, or its Ray is another one.
        """
        parts = urlsplit(address)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ClusterError(
                f"{address} is no address of a Jobs server; give http://HEAD:8265, where HEAD is "
                "the head node and 8265 the port of its dashboard"
            )
        self.address = address.rstrip("/")
        for name in _TALKATIVE:
            logging.getLogger(name).setLevel(logging.ERROR)
        with _own_address(), _explained(self.address):
            self._client = JobSubmissionClient(self.address)
            theirs = str(self._get("/api/version")["ray_version"])
        if theirs != ray.__version__:
            raise ClusterError(
                f"the cluster at {self.address} has Ray {theirs}, this machine has Ray "
                f"{ray.__version__}; install the same one on both"
            )

    def submit(self, request: JobRequest) -> None:
        """Send ``request``; its files are packed and uploaded first.

        Raises:
            ClusterError: the cluster did not take it.
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
        """Return all jobs that were submitted, the one begun last first."""
        with _explained(self.address):
            found = [_job(each) for each in self._client.list_jobs() if each.submission_id]
        return sorted(found, key=lambda job: (job.started or 0.0, job.job_id), reverse=True)

    def job(self, job_id: str) -> Job:
        """Return the job as it is now.

        Raises:
            UnknownJobError: there is none of that name.
        """
        with _explained(self.address, job_id):
            return _job(self._client.get_job_info(job_id))

    def logs(self, job_id: str) -> str:
        """Return all that the job has written."""
        with _explained(self.address, job_id):
            return str(self._client.get_job_logs(job_id))

    def stop(self, job_id: str) -> bool:
        """Ask the job to stop; return whether it was running."""
        with _explained(self.address, job_id):
            return bool(self._client.stop_job(job_id))

    def nodes(self) -> list[Node]:
        """Return the nodes that are alive."""
        with _explained(self.address):
            found = self._get("/api/v0/nodes?detail=1&limit=10000")["data"]["result"]["result"]
        return [
            node_of(node["node_id"], node["resources_total"], node["labels"])
            for node in found
            if node["state"] == "ALIVE"
        ]

    def follow(
        self,
        job_id: str,
        write: Callable[[str], None],
        *,
        pause: Callable[[float], None] = time.sleep,
    ) -> Job:
        """Hand what the job writes to ``write`` until its end; return it as it ended.

        A connection that breaks is made anew, and nothing is written twice.

        Args:
            job_id: The job.
            write: Takes a piece of text, newlines included.
            pause: Waits for so many seconds.
        """
        seen, broken = 0, 0
        while True:
            try:
                skip = seen
                for piece in self.pieces(job_id):
                    fresh = piece[skip:] if skip < len(piece) else ""
                    skip = max(0, skip - len(piece))
                    seen += len(fresh)
                    broken = 0
                    if fresh:
                        write(fresh)
                job = self.job(job_id)
                if job.over:
                    rest = self.logs(job_id)[seen:]
                    if rest:
                        write(rest)
                    return job
            except (ClusterError, aiohttp.ClientError, RuntimeError, OSError) as error:
                broken += 1
                if broken > _RECONNECTS:
                    raise ClusterError(
                        f"{self.address} does not answer any more: {error}"
                    ) from error
            pause(_RECONNECT_SECONDS)

    def pieces(self, job_id: str) -> Iterator[str]:
        """Yield what the job has written from its beginning on, as long as it runs."""
        with asyncio.Runner() as runner:
            source = self._client.tail_job_logs(job_id)
            while True:
                piece = runner.run(_next(source))
                if piece is None:
                    return
                yield piece

    def _get(self, path: str) -> dict[str, Any]:
        answer = self._client._do_request("GET", path)  # noqa: SLF001 - it knows the token
        answer.raise_for_status()
        return cast("dict[str, Any]", answer.json())


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
    """Hide the variables that would take the place of the address that was given."""
    kept = {name: os.environ.pop(name) for name in _ADDRESS_VARIABLES if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)


@contextmanager
def _explained(address: str, job_id: str | None = None) -> Iterator[None]:
    """Turn what Ray raises into an error that says what to do; a token is in none of them."""
    try:
        yield
    except AuthenticationError as error:
        raise ClusterError(
            f"the cluster at {address} wants a token: put the head's token (there: 'ray "
            "get-auth-token') into the file ~/.ray/auth_token, or name its file in "
            "RAY_AUTH_TOKEN_PATH, with RAY_AUTH_MODE=token"
        ) from error
    except (RuntimeError, ConnectionError, OSError, ValueError) as error:
        if job_id is not None and "does not exist" in str(error):
            raise UnknownJobError(f"there is no job {job_id!r} on {address}") from error
        raise ClusterError(f"{address}: {cause(str(error)) or type(error).__name__}") from error
