"""A Ray cluster of several nodes on this machine, which does what it is told on standard input.

Lines are ``kill NAME`` and ``add NAME CPUS KIND``; each is answered by a line of its own. The first
line it writes is the address of the Jobs server.
"""

from __future__ import annotations

import json
import socket
import sys
from typing import Any

from ray.cluster_utils import Cluster

NODES = {"first": (1, "train"), "second": (1, "train"), "other": (2, "other")}


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def common() -> dict[str, Any]:
    """Return what keeps the cluster out of the way of any other on this machine."""
    return {"object_store_memory": 100 * 2**20, "dashboard_agent_listen_port": free_port()}


def main() -> None:
    port = free_port()
    head = {"num_cpus": 0, "include_dashboard": True, "dashboard_port": port}
    cluster = Cluster(initialize_head=True, head_node_args={**head, **common()})
    nodes: dict[str, Any] = {}

    def add(name: str, cpus: int, kind: str) -> None:
        nodes[name] = cluster.add_node(
            num_cpus=cpus, labels={"kind": kind}, resources={name: 1}, **common()
        )

    for name, (cpus, kind) in NODES.items():
        add(name, cpus, kind)
    sys.stdout.write(json.dumps({"address": f"http://127.0.0.1:{port}"}) + "\n")
    sys.stdout.flush()
    for line in sys.stdin:
        match line.split():
            case ["kill", gone]:
                cluster.remove_node(nodes.pop(gone), allow_graceful=False)
            case ["add", joined, cores, place]:
                add(joined, int(cores), place)
        sys.stdout.write("done\n")
        sys.stdout.flush()
    cluster.shutdown()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
