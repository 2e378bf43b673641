from __future__ import annotations

import ipaddress
import socket
import subprocess
import sys
from typing import Any

import psutil
import pytest
import ray

from cluster.errors import ClusterError
from cluster.start import processes
from cluster.start.connection import connected

pytestmark = pytest.mark.ray


def test_a_ray_that_is_lost_is_said_so() -> None:
    from ray.exceptions import ActorDiedError

    with pytest.raises(ClusterError, match=r"Ray was lost \(ActorDiedError"), connected():
        raise ActorDiedError


def test_a_ray_of_this_machine_is_not_seen_from_others() -> None:
    with connected():
        actor: Any = ray.remote(Idle).remote()
        ray.get(actor.wait.remote())
        ours = [psutil.Process(), *psutil.Process().children(recursive=True)]
        addresses = {
            ipaddress.ip_address(each.laddr.ip)
            for process in ours
            for each in process.net_connections("inet")
            if each.status == psutil.CONN_LISTEN
        }
    assert addresses
    plain = {getattr(each, "ipv4_mapped", None) or each for each in addresses}
    assert all(each.is_loopback for each in plain), plain


class Idle:
    def wait(self) -> None:
        """Be there."""


def test_no_process_outlives_a_ray_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_LEAVING_SECONDS", 2.0)

    def linger() -> int:
        command = [sys.executable, "-c", "import time; time.sleep(600)"]
        return subprocess.Popen(command, start_new_session=True).pid

    with connected():
        task = ray.remote(num_cpus=0)(linger)
        stays = psutil.Process(ray.get(task.remote()))
        assert stays.is_running()
        before = processes._of_local_ray()
        assert stays in before
    assert not [process for process in before if process.is_running()]


def test_a_cluster_that_is_gone_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray leaves the address of a killed cluster noted, and would wait for it."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{unused.getsockname()[1]}"
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr("cluster.start.connection.read_ray_address", lambda: place)
    for address in ("auto", place, f"ray://{place}"):
        with pytest.raises(ClusterError, match="nothing answers at"), connected(address):
            pass
