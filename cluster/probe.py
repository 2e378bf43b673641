"""What is on a cluster's nodes now, told as lines of JSON by a process on the cluster."""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

import ray
from ray._private.state import available_resources_per_node
from ray.util import list_named_actors
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from cluster.capacity.nodes import nodes_of
from cluster.start.connection import connected
from cluster.telemetry.gpu_sample import sample_gpus
from cluster.telemetry.readings import list_gpus
from cluster.view import ClusterView, GpuView, NodeView, SweepView

NAMESPACE = "segsweep"
"""Ray namespace in which sweeps are found by their names."""
_ANSWER_SECONDS = 15.0


def look() -> ClusterView:
    """Return what the connected cluster holds; what does not answer in time is left out."""
    free = available_resources_per_node()  # type: ignore[no-untyped-call]
    answers = ray.nodes()  # type: ignore[no-untyped-call]
    addresses = {each["NodeID"]: each["NodeManagerAddress"] for each in answers}
    nodes = nodes_of(answers)
    asked = {node.node_id: _ask_node(node.node_id) for node in nodes if node.gpus}
    return ClusterView(
        nodes=tuple(
            NodeView(
                node_id=node.node_id,
                address=addresses[node.node_id],
                cpus=node.cpus,
                cpus_free=float(free.get(node.node_id, {}).get("CPU", 0.0)),
                gpus=tuple(GpuView(**each) for each in _answer(asked.get(node.node_id), ())),
                gpus_free=float(free.get(node.node_id, {}).get("GPU", 0.0)),
                labels=dict(node.labels),
            )
            for node in nodes
        ),
        sweeps=tuple(_sweeps()),
    )


def gpu_facts() -> list[dict[str, object]]:
    """Return what each GPU of this node tells, as keyword arguments of ``GpuView``."""
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


def _sweeps() -> list[SweepView]:
    named = [each for each in list_named_actors(all_namespaces=True) if isinstance(each, dict)]
    found = []
    for each in named:
        if each["namespace"] != NAMESPACE:
            continue
        try:
            board: Any = ray.get_actor(each["name"], namespace=NAMESPACE)
            lanes = ray.get(board.lanes.remote(), timeout=_ANSWER_SECONDS)
        except (ValueError, ray.exceptions.RayError):
            continue  # it has just ended
        found.append(SweepView(sweep_id=each["name"].partition("/")[0], lanes=tuple(lanes)))
    return found


def _ask_node(node_id: str) -> Any:  # noqa: ANN401 - an object reference
    strategy = NodeAffinitySchedulingStrategy(node_id=node_id, soft=False)
    task: Any = ray.remote(gpu_facts)
    return task.options(num_cpus=0, scheduling_strategy=strategy).remote()


def _answer(reference: Any, otherwise: Any) -> Any:  # noqa: ANN401 - an object reference
    if reference is None:
        return otherwise
    try:
        return ray.get(reference, timeout=_ANSWER_SECONDS)
    except ray.exceptions.RayError:
        return otherwise


def main(arguments: list[str] | None = None) -> None:
    """Write a view as a line of JSON, again and again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=0, help="views to write; 0 does not end")
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
