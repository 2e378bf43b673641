"""The verb ``doctor``: the resources of this machine or of a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from orchestrator.cli.shared.options import AsJson, OnCluster, StorageRoot, examples
from orchestrator.cli.shared.output import (
    bytes_text,
    print_json,
    print_out,
    print_pairs,
    print_table,
)

if TYPE_CHECKING:
    from cluster.capacity.nodes import Node
    from orchestrator.cli.shared.machine import MachineFacts

EPILOG = examples(
    "segsweep doctor", "segsweep doctor --json", "segsweep doctor --address http://head:8265"
)


def doctor(
    storage: StorageRoot = None,
    address: OnCluster = None,
    as_json: AsJson = False,
) -> None:
    """Print the resources of this machine, or of a cluster with --address.

    Lists CPUs, GPUs, memory, packages and the lanes that fit. Exit code 1 means that no sweep can
    run; the missing parts are printed.
    """
    if address is not None:
        _examine_cluster(address, as_json=as_json)
        return
    from orchestrator.cli.shared.machine import examine, problems
    from orchestrator.spec.sweep_spec import default_storage_root

    facts = examine(str(storage) if storage else default_storage_root())
    found = problems(facts)
    if as_json:
        print_json({**facts.to_mapping(), "problems": [str(problem) for problem in found]})
    else:
        packages = ", ".join(f"{name} {version}" for name, version in facts.packages.items())
        print_pairs(
            [
                ("python", facts.python),
                ("packages", packages),
                ("optional", ", ".join(facts.optional) or "none"),
                ("cpus", f"{facts.cpus:g} usable"),
                (
                    "memory",
                    f"{bytes_text(facts.memory_free)} free of {bytes_text(facts.memory_total)}",
                ),
                ("gpus", _gpus(facts)),
                ("storage", f"{facts.storage} ({bytes_text(facts.disk_free)} free)"),
                ("shared memory", bytes_text(facts.shared_memory)),
                ("lanes", f"{facts.lanes} of one train worker each"),
                ("ray cluster", facts.ray_address or "none given; a sweep starts a local Ray"),
                ("tracking", facts.tracking),
            ]
        )
        for problem in found:
            print_out(f"{'MISSING' if problem.fatal else 'note'}: {problem.text}")
        if not found:
            print_out("nothing is missing")
    if any(problem.fatal for problem in found):
        raise typer.Exit(1)


def _gpus(facts: MachineFacts) -> str:
    if not facts.gpus:
        return "none"
    return ", ".join([*facts.gpus, f"CUDA {facts.cuda}", *(["MPS"] if facts.mps else [])])


def _examine_cluster(address: str, *, as_json: bool) -> None:
    from dataclasses import asdict

    from cluster.capacity.packing import room
    from cluster.capacity.resources import Resources, lane_shape
    from orchestrator.cli.shared.remote import connect

    nodes = connect(address).nodes()
    shape = lane_shape(Resources(), available_gpus=sum(node.gpus for node in nodes))
    lanes = room(nodes, shape)
    if as_json:
        print_json({"address": address, "lanes": lanes, "nodes": [asdict(node) for node in nodes]})
    else:
        columns = ("node", "CPUs", "GPUs", "memory", "labels")
        print_table(columns, [_cells(node) for node in nodes])
        print_out(f"{lanes} lane(s) of one train worker each fit on {len(nodes)} node(s)")
        if not any(node.gpus for node in nodes):
            print_out("note: no node has a GPU; trials train on CPUs")
    if not lanes:
        raise typer.Exit(1)


def _cells(node: Node) -> tuple[str, ...]:
    gpus = f"{node.gpus} {node.gpu_type or ''}".strip() if node.gpus else "-"
    memory = "-" if node.memory_mb is None else bytes_text(node.memory_mb * 1e6)
    labels = " ".join(f"{k}={v}" for k, v in node.labels.items() if k != "ray.io/node-id")
    return (node.node_id[:12], f"{node.cpus:g}", gpus, memory, labels)
