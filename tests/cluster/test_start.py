from __future__ import annotations

import signal
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
import ray

from cluster import start
from cluster.errors import ClusterError
from cluster.local import connected
from cluster.ports import reserved_ports
from cluster.start import last_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RAYLET = """\
[2026-01-31 12:00:00,034 E 9 9] (raylet) agent_manager.cc:87: one Ray agent failed
- The agent is killed by the OS (e.g., out of memory).
*** StackTrace Information ***
/venv/ray/core/src/ray/raylet/raylet(+0xff770a) [0x56330d8aa70a] ray::operator<<()
/lib/x86_64-linux-gnu/libc.so.6(__libc_start_main+0x85) [0x7f2247045305] __libc_start_main

"""


def test_the_last_lines_are_the_raylets_without_its_stack(tmp_path: Path) -> None:
    (tmp_path / "raylet.err").write_text(RAYLET)
    (tmp_path / "raylet.out").write_text("other\n")
    assert last_lines(tmp_path) == RAYLET.splitlines()[:1]


def test_the_last_lines_are_few(tmp_path: Path) -> None:
    (tmp_path / "raylet.err").write_bytes(b"".join(b"line %d \xff\n" % n for n in range(1000)))
    lines = last_lines(tmp_path)
    assert len(lines) == 8
    assert lines[-1].startswith("line 999")


def test_without_a_raylet_the_last_lines_are_the_control_stores(tmp_path: Path) -> None:
    (tmp_path / "raylet.err").touch()
    (tmp_path / "gcs_server.out").write_text("cannot bind\n")
    assert last_lines(tmp_path) == ["cannot bind"]
    assert last_lines(tmp_path / "none") == []


def test_rays_internals_that_a_start_replaces_are_there() -> None:
    """They are listed in docs/internals.md; a new Ray may have others."""
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


@contextmanager
def _taken_port(attempts: int) -> Iterator[Callable[..., Any]]:
    """Yield a reservation that gives a port in use to the dashboard agent so many times."""
    import socket

    left = attempts

    @contextmanager
    def reserve(count: int) -> Iterator[tuple[int, ...]]:
        nonlocal left
        left -= 1
        with reserved_ports(count) as ports:
            yield (in_use, *ports[1:]) if left >= 0 else ports

    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        in_use = server.getsockname()[1]
        yield reserve


def _of_ray() -> list[str]:
    return [each.name() for each in psutil.Process().children(recursive=True)]


@pytest.mark.ray
def test_the_agents_of_a_local_ray_have_the_ports_that_were_reserved() -> None:
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
def test_a_raylet_that_ends_is_started_a_second_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with _taken_port(attempts=1) as reserve:
        monkeypatch.setattr(start, "reserved_ports", reserve)
        with connected() as capacity:
            assert capacity.local
    assert not {"raylet", "gcs_server"} & set(_of_ray())


@pytest.mark.ray
def test_a_raylet_that_ends_twice_is_reported_in_its_own_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun = time.monotonic()
    with _taken_port(attempts=2) as reserve:
        monkeypatch.setattr(start, "reserved_ports", reserve)
        with pytest.raises(ClusterError) as caught, connected():
            pass
    assert time.monotonic() - begun < 60
    text = str(caught.value)
    assert text.startswith("a local Ray cannot be started: after ")
    assert text.count("its raylet ended by itself") == 2
    assert "agent_name = dashboard_agent" in text
    assert "GCS" not in text
    assert "(+0x" not in text
    assert Path(text.rsplit(" ", 1)[-1]).is_dir()
    assert not {"raylet", "gcs_server"} & set(_of_ray())
