"""The start of a local Ray, also on a busy machine."""

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
from ray._private import parameter, ray_constants, services, utils, worker

from cluster.errors import ClusterError
from cluster.start.ports import reserved_ports
from cluster.start.processes import end_session
from cluster.start.temporary_folder import ray_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_TIMEOUTS_SECONDS = (60.0, 180.0)
"""How long each attempt waits for the raylet to register. At a load of 20 on two cores it took up
to 40 s; the exit of a raylet is detected at once."""
_POLL_SECONDS = 5
"""How long one request for the node may wait before the raylet's exit is checked again."""
_ENVIRONMENT = {
    "RAY_raylet_start_wait_time_s": str(_POLL_SECONDS),
    "RAY_gcs_server_port_wait_time_s": "60",
    "RAY_agent_register_timeout_ms": "300000",
}
"""By default Ray waits 30 s for its agents, which a busy machine exceeds."""
_OWN_SESSION = tuple(filter(None, [shutil.which("setsid")]))
"""Command that runs another one in a new session, as the same process; macOS lacks it."""
_LAST_LINES = 8
_STACK = re.compile(r"\+0x[0-9a-f]+\)|^\*\*\* |^- |^The raylet fate shares")


class RayletEndedError(Exception):
    """The raylet exited, or did not register, during the start."""


def start_ray(arguments: dict[str, Any]) -> None:
    """Start a Ray that this process owns and connect to it.

    It listens on the loopback interface only. Where its raylet exits or does not register in time,
    all its processes are killed. A second attempt takes other ports and a longer timeout.

    Args:
        arguments: Arguments of ``ray.init``.

    Raises:
        ClusterError: both attempts failed; the message has the last lines of the raylet's log.
    """
    folder = ray_folder()
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    failures: list[str] = []
    session = ""
    for timeout_s in _TIMEOUTS_SECONDS:
        session = f"session_{datetime.now():%Y-%m-%d_%H-%M-%S_%f}_{os.getpid()}"  # noqa: DTZ005
        start = time.monotonic()
        try:
            with _session(session, timeout_s) as metrics_export_port:
                ray.init(
                    **arguments, _temp_dir=str(folder), _metrics_export_port=metrics_export_port
                )
        except Exception as error:  # noqa: BLE001 - Ray raises bare exceptions here
            failures.append(f"after {time.monotonic() - start:.0f} s: {first_line(error)}")
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
                f"these are the last lines of Ray's log; all of its logs are in {logs}",
            ]
        )
    )


@contextmanager
def _session(session: str, timeout_s: float) -> Iterator[int]:
    """Context in which ``ray.init`` starts the named session; yields a port for its metrics.

    Without the ports of its agents, a raylet waits 15 s for the agents to report them and then
    exits. ``ray.init`` has no argument for three of these ports. It does not pass the fourth, the
    listen port of the dashboard agent, to the raylet.
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
        starter = _RayletStarter(listen_port=listen, timeout_s=timeout_s)
        stack.enter_context(_replaced(parameter, "RayParams", settings))
        stack.enter_context(_replaced(services, "start_ray_process", starter.start))
        stack.enter_context(_replaced(services, "get_node", starter.get_node))
        # By this constant Ray listens on the loopback interface only on macOS and Windows.
        stack.enter_context(_replaced(ray_constants, "ENABLE_RAY_CLUSTER", False))
        stack.enter_context(quiet_start())
        yield metrics


@contextmanager
def quiet_start() -> Iterator[None]:
    """Context in which ``ray.init`` emits no warnings and installs no SIGTERM handler.

    Ray's handler would exit without a message.
    """
    with _replaced(utils, "set_sigterm_handler", lambda _: None), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class _RayletStarter:
    """Starts Ray's processes, and requests the node's entry while its raylet runs."""

    def __init__(self, *, listen_port: int, timeout_s: float) -> None:
        self._listen_port = listen_port
        self._timeout_s = timeout_s
        self._deadline = time.monotonic() + timeout_s
        self._start: Any = services.start_ray_process
        self._get_node: Any = services.get_node
        self._raylet: Any = None

    def start(self, command: list[str], process_type: str, *rest: Any, **named: Any) -> Any:  # noqa: ANN401
        """Start a process of Ray in a new session, which signals to our group do not reach.

        The raylet gets the port that Ray does not pass.
        """
        command = [*_OWN_SESSION, *command]
        if process_type != ray_constants.PROCESS_TYPE_RAYLET:
            return self._start(command, process_type, *rest, **named)
        command = [*command, f"--dashboard_agent_listen_port={self._listen_port}"]
        self._raylet = self._start(command, process_type, *rest, **named)
        return self._raylet

    def get_node(self, gcs_address: str, node_id: str) -> Any:  # noqa: ANN401 - Ray's mapping
        """Return Ray's entry of the node, once it has registered.

        Raises:
            RayletEndedError: the raylet exited, or the timeout passed.
        """
        while True:
            if self._raylet is not None and self._raylet.process.poll() is not None:
                raise RayletEndedError("its raylet ended by itself")
            try:
                return self._get_node(gcs_address, node_id)
            except RuntimeError:
                if time.monotonic() > self._deadline:
                    raise RayletEndedError(
                        f"its raylet did not register within {self._timeout_s:.0f} s"
                    ) from None


@contextmanager
def _replaced(module: Any, name: str, value: object) -> Iterator[None]:  # noqa: ANN401 - a module
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)


def started_pids() -> list[int]:
    """Return the processes that ``ray.init`` started here; Ray has no public list of them."""
    node: Any = worker._global_node  # noqa: SLF001 - as above
    if node is None:
        return []
    return [info.process.pid for infos in node.all_processes.values() for info in infos]


def _clean_up(session: str) -> None:
    with suppress(Exception):
        ray.shutdown()
    end_session(session)


def first_line(error: BaseException) -> str:
    """Return the first line of the error's message."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def last_lines(logs: Path) -> list[str]:
    """Return the last lines of the raylet's or the GCS's log, without stack traces and hints."""
    for name in ("raylet.err", "raylet.out", "gcs_server.err", "gcs_server.out"):
        with suppress(OSError), (logs / name).open(encoding="utf-8", errors="replace") as file:
            lines = deque(
                (line.rstrip() for line in file if line.strip() and not _STACK.search(line)),
                maxlen=_LAST_LINES,
            )
            if lines:
                return list(lines)
    return []
