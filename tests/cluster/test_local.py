from __future__ import annotations

import ipaddress
import socket
from typing import Any

import psutil
import pytest
import ray

from cluster.local import ClusterError, connected

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


def test_a_cluster_that_is_gone_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray leaves the address of a killed cluster noted, and would wait for it."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{unused.getsockname()[1]}"
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr("cluster.local.read_ray_address", lambda: place)
    for address in ("auto", place, f"ray://{place}"):
        with pytest.raises(ClusterError, match="nothing answers at"), connected(address):
            pass
