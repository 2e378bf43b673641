"""What is on a cluster's nodes now, written as lines of JSON by a process on the cluster."""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

from cluster.capacity.nodes import nodes_of
from cluster.start.cluster_state import (
    call_named_actors,
    free_resources,
    node_entries,
    run_on_nodes,
)
from cluster.start.connection import connected
from cluster.telemetry.gpu_sample import sample_gpus
from cluster.telemetry.readings import list_gpus
from cluster.view import ClusterView, GpuView, NodeView, SweepView

NAMESPACE = "segsweep"
"""Ray namespace of the trial brokers; an actor's name starts with its sweep's identity."""
_TIMEOUT_SECONDS = 15.0


def look() -> ClusterView:
    """Return a view of the connected cluster, without GPUs and sweeps that exceed the timeout."""
    free = free_resources()
    entries = node_entries()
    addresses = {entry["NodeID"]: entry["NodeManagerAddress"] for entry in entries}
    nodes = nodes_of(entries)
    gpus = run_on_nodes(
        gpu_facts, [node.node_id for node in nodes if node.gpus], timeout_s=_TIMEOUT_SECONDS
    )
    return ClusterView(
        nodes=tuple(
            NodeView(
                node_id=node.node_id,
                address=addresses[node.node_id],
                cpus=node.cpus,
                cpus_free=float(free.get(node.node_id, {}).get("CPU", 0.0)),
                gpus=tuple(GpuView(**facts) for facts in gpus.get(node.node_id, ())),
                gpus_free=float(free.get(node.node_id, {}).get("GPU", 0.0)),
                labels=dict(node.labels),
            )
            for node in nodes
        ),
        sweeps=tuple(
            SweepView(sweep_id=name.partition("/")[0], lanes=tuple(lanes))
            for name, lanes in call_named_actors(NAMESPACE, "lanes", timeout_s=_TIMEOUT_SECONDS)
        ),
    )


def gpu_facts() -> list[dict[str, Any]]:
    """Return the keyword arguments of a ``GpuView`` for each GPU of this node."""
    gpus = list_gpus()
    samples = sample_gpus([gpu.uuid for gpu in gpus])
    return [
        {
            "uuid": gpu.uuid,
            "name": gpu.name,
            "memory_total_mb": gpu.memory_total_mb,
            "sample": None if sample is None else sample.to_mapping(),
        }
        for gpu, sample in zip(gpus, samples, strict=True)
    ]


def main(arguments: list[str] | None = None) -> None:
    """Write a view as a line of JSON, repeatedly."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=0, help="views to write; 0 for no limit")
    parser.add_argument("--seconds", type=float, default=2.0, help="time between two views")
    options = parser.parse_args(arguments)
    with connected("auto"):
        count = 0
        while True:
            sys.stdout.write(json.dumps(look().to_mapping()) + "\n")
            sys.stdout.flush()
            count += 1
            if count == options.times:
                return
            time.sleep(options.seconds)


if __name__ == "__main__":
    main()
