from __future__ import annotations

import ipaddress
import socket
import subprocess
import sys
from functools import partial
from typing import Any

import psutil
import pytest
import ray

from cluster.errors import ClusterError
from cluster.start.connection import connected
from cluster.start.local_ray import started_pids
from cluster.start.processes import killed_afterwards, process_trees

pytestmark = pytest.mark.ray


def test_a_lost_ray_is_reported() -> None:
    from ray.exceptions import ActorDiedError

    with pytest.raises(ClusterError, match=r"Ray was lost \(ActorDiedError"), connected():
        raise ActorDiedError


def test_a_local_ray_listens_on_loopback_only() -> None:
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
        """Return at once."""


def test_no_process_outlives_a_local_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    short = partial(killed_afterwards, timeout_s=2.0)
    monkeypatch.setattr("cluster.start.connection.killed_afterwards", short)

    def linger() -> int:
        command = [sys.executable, "-c", "import time; time.sleep(600)"]
        return subprocess.Popen(command, start_new_session=True).pid

    with connected():
        task = ray.remote(num_cpus=0)(linger)
        stays = psutil.Process(ray.get(task.remote()))
        assert stays.is_running()
        before = process_trees(started_pids())
        assert stays in before
    assert not [process for process in before if process.is_running()]


def test_the_address_of_a_killed_cluster_is_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ray keeps the address of a killed cluster, and would wait for it."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{unused.getsockname()[1]}"
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr("cluster.start.connection.read_ray_address", lambda: place)
    for address in ("auto", place, f"ray://{place}"):
        with pytest.raises(ClusterError, match="nothing answers at"), connected(address):
            pass
