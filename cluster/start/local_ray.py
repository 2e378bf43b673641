"""The start of a local Ray on a machine that may be busy."""

from __future__ import annotations

import os
import re
import shutil
import time
import warnings
from collections import deque
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import ray
from ray._private import parameter, ray_constants, services, utils

from cluster.errors import ClusterError
from cluster.start.ports import reserved_ports
from cluster.start.processes import end_session
from cluster.start.temporary_folder import ray_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PATIENCE = (60.0, 180.0)
"""How long each attempt waits for the raylet to register, s. At a load of 20 on two cores it took
up to 40 s; a raylet that ends is noticed at once."""
_POLL_SECONDS = 5
"""How long one request for the node may wait before the raylet is looked at again, s."""
_ENVIRONMENT = {
    "RAY_raylet_start_wait_time_s": str(_POLL_SECONDS),
    "RAY_gcs_server_port_wait_time_s": "60",
    "RAY_agent_register_timeout_ms": "300000",
}
"""Ray waits 30 s for its agents otherwise, which a busy machine exceeds."""
_OWN_SESSION = tuple(filter(None, [shutil.which("setsid")]))
"""Command that runs another one, as the same process, in a new session; macOS has none."""
_LAST_LINES = 8
_STACK = re.compile(r"\+0x[0-9a-f]+\)|^\*\*\* |^- |^The raylet fate shares")


class RayletEndedError(Exception):
    """The raylet ended, or did not register, during the start."""


def start_ray(arguments: dict[str, Any]) -> None:
    """Start a Ray that belongs to this process and connect to it.

    It listens on the loopback interface alone. Where its raylet ends or does not register in time,
    all its processes are ended and a second attempt takes other ports and waits longer.

    Args:
        arguments: Of ``ray.init``.

    Raises:
        ClusterError: both attempts failed; the raylet's last lines are in the message.
    """
    folder = ray_folder()
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    failures: list[str] = []
    session = ""
    for patience in _PATIENCE:
        session = f"session_{datetime.now():%Y-%m-%d_%H-%M-%S_%f}_{os.getpid()}"  # noqa: DTZ005
        begun = time.monotonic()
        try:
            with _session(session, patience) as metrics_export_port:
                ray.init(
                    **arguments, _temp_dir=str(folder), _metrics_export_port=metrics_export_port
                )
        except Exception as error:  # noqa: BLE001 - Ray raises bare exceptions here
            failures.append(f"after {time.monotonic() - begun:.0f} s: {first_line(error)}")
            _clean_up(session)
        except BaseException:
            _clean_up(session)
            raise
        else:
            return
    logs = folder / session / "logs"
    raise ClusterError(
        "\n".join(
            [
                f"a local Ray cannot be started: {'; then '.join(failures)}",
                *(f"  {line}" for line in last_lines(logs)),
                f"these are the last lines of Ray's own log; all of its logs are in {logs}",
            ]
        )
    )


@contextmanager
def _session(session: str, patience: float) -> Iterator[int]:
    """Context in which ``ray.init`` starts Ray under that name; yields a port for its metrics.

    A raylet that is not given the ports of its agents waits 15 s for the agents to report them and
    then ends itself. ``ray.init`` has no argument for three of these ports, and hands none of them
    to the raylet for the fourth, which the dashboard agent opens last.
    """
    with ExitStack() as stack:
        agents, runtime_env, listen, metrics = stack.enter_context(reserved_ports(4))
        settings = partial(
            parameter.RayParams,
            session_name=session,
            metrics_agent_port=agents,
            runtime_env_agent_port=runtime_env,
            dashboard_agent_listen_port=listen,
        )
        watch = _Watch(listen_port=listen, patience=patience)
        stack.enter_context(_replaced(parameter, "RayParams", settings))
        stack.enter_context(_replaced(services, "start_ray_process", watch.start))
        stack.enter_context(_replaced(services, "get_node", watch.get_node))
        # Ray listens on the loopback interface alone on macOS and Windows by this constant
        stack.enter_context(_replaced(ray_constants, "ENABLE_RAY_CLUSTER", False))
        stack.enter_context(quiet_start())
        yield metrics


@contextmanager
def quiet_start() -> Iterator[None]:
    """Context in which ``ray.init`` warns of nothing and leaves SIGTERM to its caller.

    Ray would exit at SIGTERM from then on, without a message.
    """
    with _replaced(utils, "set_sigterm_handler", lambda _: None), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class _Watch:
    """Starts Ray's processes, and asks for the node as long as its raylet lives."""

    def __init__(self, *, listen_port: int, patience: float) -> None:
        self._listen_port = listen_port
        self._patience = patience
        self._deadline = time.monotonic() + patience
        self._start: Any = services.start_ray_process
        self._get_node: Any = services.get_node
        self._raylet: Any = None

    def start(self, command: list[str], process_type: str, *rest: Any, **named: Any) -> Any:  # noqa: ANN401
        """Start a process of Ray in a session of its own, so that a SIGTERM to ours spares it.

        The raylet is given the port that Ray leaves out.
        """
        command = [*_OWN_SESSION, *command]
        if process_type != ray_constants.PROCESS_TYPE_RAYLET:
            return self._start(command, process_type, *rest, **named)
        command = [*command, f"--dashboard_agent_listen_port={self._listen_port}"]
        self._raylet = self._start(command, process_type, *rest, **named)
        return self._raylet

    def get_node(self, gcs_address: str, node_id: str) -> Any:  # noqa: ANN401 - Ray's mapping
        """Return Ray's entry of the node.

        Raises:
            RayletEndedError: the raylet ended, or the deadline passed.
        """
        while True:
            if self._raylet is not None and self._raylet.process.poll() is not None:
                raise RayletEndedError("its raylet ended by itself")
            try:
                return self._get_node(gcs_address, node_id)
            except RuntimeError:
                if time.monotonic() > self._deadline:
                    raise RayletEndedError(
                        f"its raylet did not register within {self._patience:.0f} s"
                    ) from None


@contextmanager
def _replaced(module: Any, name: str, value: object) -> Iterator[None]:  # noqa: ANN401 - a module
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)


def _clean_up(session: str) -> None:
    with suppress(Exception):
        ray.shutdown()
    end_session(session)


def first_line(error: BaseException) -> str:
    """Return the first line of the error's message."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def last_lines(logs: Path) -> list[str]:
    """Return the last lines of the raylet's log, or the GCS's, without stacks and advice."""
    for name in ("raylet.err", "raylet.out", "gcs_server.err", "gcs_server.out"):
        with suppress(OSError), (logs / name).open(encoding="utf-8", errors="replace") as file:
            lines = deque(
                (line.rstrip() for line in file if line.strip() and not _STACK.search(line)),
                maxlen=_LAST_LINES,
            )
            if lines:
                return list(lines)
    return []
