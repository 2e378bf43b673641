from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
import ray

from cluster.errors import ClusterError
from cluster.start import local_ray
from cluster.start.connection import connected
from cluster.start.local_ray import last_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

RAYLET = """\
[2026-01-31 12:00:00,034 E 9 9] (raylet) agent_manager.cc:87: one Ray agent failed
- The agent is killed by the OS (e.g., out of memory).
*** StackTrace Information ***
/venv/ray/core/src/ray/raylet/raylet(+0xff770a) [0x56330d8aa70a] ray::operator<<()
/lib/x86_64-linux-gnu/libc.so.6(__libc_start_main+0x85) [0x7f2247045305] __libc_start_main

"""


def test_last_lines_are_the_raylets_without_its_stack_trace(tmp_path: Path) -> None:
    (tmp_path / "raylet.err").write_text(RAYLET)
    (tmp_path / "raylet.out").write_text("other\n")
    assert last_lines(tmp_path) == RAYLET.splitlines()[:1]


def test_the_last_lines_are_few(tmp_path: Path) -> None:
    (tmp_path / "raylet.err").write_bytes(b"".join(b"line %d \xff\n" % n for n in range(1000)))
    lines = last_lines(tmp_path)
    assert len(lines) == 8
    assert lines[-1].startswith("line 999")


def test_without_a_raylets_log_last_lines_are_the_gcs_ones(tmp_path: Path) -> None:
    (tmp_path / "raylet.err").touch()
    (tmp_path / "gcs_server.out").write_text("cannot bind\n")
    assert last_lines(tmp_path) == ["cannot bind"]
    assert last_lines(tmp_path / "none") == []


def test_internals_of_ray_that_a_start_replaces_exist() -> None:
    """docs/internals.md lists them; another version of Ray may lack them."""
    import inspect

    from ray._private import node, parameter, ray_constants, services, worker

    taken = inspect.signature(parameter.RayParams).parameters
    assert {
        "session_name",
        "metrics_agent_port",
        "runtime_env_agent_port",
        "dashboard_agent_listen_port",
    } <= set(taken)
    assert "ray._private.parameter.RayParams(" in inspect.getsource(worker.init)
    assert '"_metrics_export_port"' in inspect.getsource(worker.init)
    assert "ray._private.services.get_node(" in inspect.getsource(node.Node.__init__)
    assert list(inspect.signature(services.get_node).parameters) == ["gcs_address", "node_id"]
    started = inspect.getsource(services.start_raylet)
    assert (
        "start_ray_process(\n        command,\n        ray_constants.PROCESS_TYPE_RAYLET,"
        in started
    )
    # once Ray itself hands this port to the raylet, ours need not
    assert "--dashboard_agent_listen_port=" not in started
    assert "ray._private.utils.set_sigterm_handler(" in inspect.getsource(worker.init)
    assert isinstance(ray_constants.ENABLE_RAY_CLUSTER, bool)
    assert callable(worker.print_to_stdstream)


def _taken_port(monkeypatch: pytest.MonkeyPatch, port: int, *, attempts: int) -> None:
    """Give the raylet a port of its own that is in use, so many times: it then ends itself."""
    left = attempts
    plain: Any = local_ray._RayletStarter.start

    def wrong(starter: Any, command: list[str], process_type: str, *rest: Any, **named: Any) -> Any:
        nonlocal left
        if process_type == "raylet" and left > 0:
            left -= 1
            command = [*command, f"--node_manager_port={port}"]
        return plain(starter, command, process_type, *rest, **named)

    monkeypatch.setattr(local_ray._RayletStarter, "start", wrong)


@pytest.fixture
def port_in_use() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def _of_ray() -> list[str]:
    return [each.name() for each in psutil.Process().children(recursive=True)]


@pytest.mark.ray
def test_the_agents_of_a_local_ray_use_the_reserved_ports() -> None:
    from ray._private import worker

    before = signal.getsignal(signal.SIGTERM)
    with connected():
        assert signal.getsignal(signal.SIGTERM) is before  # Ray would exit without a message
        node: Any = worker._global_node
        (entry,) = ray.nodes()  # type: ignore[no-untyped-call]
        words = " ".join(
            word
            for each in psutil.Process().children(recursive=True)
            if each.name() == "raylet"
            for word in each.cmdline()
        )
        assert entry["Alive"]
    ports = (
        node._ray_params.metrics_agent_port,
        node._ray_params.metrics_export_port,
        node._ray_params.runtime_env_agent_port,
        node._ray_params.dashboard_agent_listen_port,
    )
    assert len(set(ports)) == 4
    flags = (
        "--metrics-agent-port",
        "--metrics_export_port",
        "--runtime_env_agent_port",
        "--dashboard_agent_listen_port",
    )
    for flag, port in zip(flags, ports, strict=True):
        assert f"{flag}={port}" in words  # a raylet that is given 0 waits for the agent


@pytest.mark.ray
def test_a_raylet_that_exits_is_started_a_second_time(
    monkeypatch: pytest.MonkeyPatch, port_in_use: int
) -> None:
    _taken_port(monkeypatch, port_in_use, attempts=1)
    with connected() as capacity:
        assert capacity.local
        raylets = [each for each in psutil.Process().children() if each.name() == "raylet"]
        assert all(os.getpgid(each.pid) != os.getpgid(0) for each in raylets)
    assert not {"raylet", "gcs_server"} & set(_of_ray())


@pytest.mark.ray
def test_a_raylet_that_exits_twice_is_reported_with_its_log(
    monkeypatch: pytest.MonkeyPatch, port_in_use: int
) -> None:
    begun = time.monotonic()
    _taken_port(monkeypatch, port_in_use, attempts=2)
    with pytest.raises(ClusterError) as caught, connected():
        pass
    assert time.monotonic() - begun < 60
    text = str(caught.value)
    assert text.startswith("a local Ray cannot be started: after ")
    assert text.count("its raylet ended by itself") == 2
    assert str(port_in_use) in text
    assert "GCS" not in text
    assert "+0x" not in text
    assert Path(text.rsplit(" ", 1)[-1]).is_dir()
    assert not {"raylet", "gcs_server"} & set(_of_ray())
