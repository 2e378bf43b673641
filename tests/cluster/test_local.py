from __future__ import annotations

import ipaddress
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
