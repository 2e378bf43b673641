"""Runs an MLflow server on this machine."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.tracking.client import TrackingUnavailableError, is_remote
from trainables.io.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SETTINGS = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
_POLL_SECONDS = 0.2
_STOP_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerPlan:
    """A server to start."""

    tracking_uri: str
    """Address of the store, which must not be a server."""
    artifact_root: Path
    """Artifact folder of experiments created through the server."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = 5000
    """Port to listen on."""

    @property
    def address(self) -> str:
        """Address of the UI."""
        return f"http://{self.host}:{self.port}"

    @property
    def command(self) -> list[str]:
        """Command line, without the store's address, which may contain a password."""
        return [
            *(sys.executable, "-m", "mlflow", "server"),
            *("--artifacts-destination", self.artifact_root.absolute().as_uri()),
            *("--host", self.host, "--port", str(self.port), "--workers", "1"),
        ]

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables with the store's address, hidden from other users."""
        return {"MLFLOW_BACKEND_STORE_URI": self.tracking_uri}


def plan_server(
    tracking_uri: str, artifact_root: Path, *, host: str = "127.0.0.1", port: int = 0
) -> ServerPlan:
    """Return the plan of a server; port 0 picks a free port.

    Raises:
        ValueError: the store is a server already.
    """
    if is_remote(tracking_uri):
        raise ValueError(
            f"{redact(tracking_uri)} is an MLflow server already; open it in a browser"
        )
    return ServerPlan(
        tracking_uri=tracking_uri,
        artifact_root=artifact_root,
        host=host,
        port=port or free_port(host),
    )


def free_port(host: str = "127.0.0.1") -> int:
    """Return a free port of ``host``."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(plan: ServerPlan, *, log: Path, timeout: float = 180.0) -> Iterator[str]:
    """Run the server during the block; yield its address once it answers.

    The server has its own process group, so Ctrl-C in the terminal does not reach it. The group is
    stopped at the end of the block.

    Args:
        plan: The server.
        log: File for its output.
        timeout: Longest wait for the first answer, s.

    Raises:
        TrackingUnavailableError: it exited or did not answer; the end of its log is included.
    """
    environment = {**_SETTINGS, **os.environ, **plan.environment}
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own command line
            plan.command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
        try:
            _wait_until_healthy(process, plan, log, timeout)
            yield plan.address
        finally:
            _stop(process)


def _wait_until_healthy(
    process: subprocess.Popen[bytes], plan: ServerPlan, log: Path, timeout: float
) -> None:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with (
            suppress(urllib.error.URLError, OSError),
            urllib.request.urlopen(f"{plan.address}/health", timeout=2) as answer,  # noqa: S310
        ):
            if answer.status == 200:
                return
        time.sleep(_POLL_SECONDS)
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-8:])
    raise TrackingUnavailableError(
        f"the MLflow server did not start on {plan.address}; end of its log:\n{tail}"
    )


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Stop the process group: SIGTERM, then SIGKILL."""
    for request in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, request)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
            break
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # orphaned workers
