"""Faults of Ray's parts: machines taken back, drivers killed under a cluster, actors killed."""

# ruff: noqa: PLC0415 - tests import this module, and need no Ray to be collected

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import psutil

from benchmarks.faultkit import MARK, SETTINGS, Experiment, tiny_spec, wait_for
from trainables.io.claim import CLAIM
from trainables.training.state import LAST, load_last

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_TRIAL = "t00000"
_EPOCHS = 8
_NOTICE_MS = 25_000
"""Between the notice and the end of the machine."""
_HEALTH = {"health_check_period_ms": 1000, "health_check_failure_threshold": 3}
"""A machine that stands still counts as lost after a few seconds, not after a minute."""


def preemption(folder: Path, *, train_workers: int = 1) -> dict[str, object]:
    """Tell a cluster that the machine under a trial goes in a while; see what is lost.

    The machine that hears of it is Ray's own: it ends itself at the deadline.
    """
    experiment = _experiment(folder, train_workers)
    with _cluster(experiment, [train_workers] * 2) as (made, nodes):
        experiment.start("--set", f"resources.address={made.address}")
        wait_for(lambda: experiment.count("epoch") >= 1, 300)
        node = _busy_node(nodes, experiment)
        raylet = _raylet(node)
        _drain(made.address, node.node_id)
        told = time.monotonic()
        state = _partial_state(experiment, 30)
        heard = time.monotonic() - told
        gone = wait_for(lambda: not _alive(raylet), 90, must=False)
        code = experiment.wait(400)
    events = _events(experiment)
    restored = [event for kind, event in events if kind == "restored"]
    return {
        "seconds from the notice to a state in the middle of an epoch": state and round(heard, 1),
        "steps of the epoch in that state": state and state["steps"],
        "the machine went": gone,
        "interruptions": [event["cause"] for kind, event in events if kind == "interrupted"],
        "went on from epochs": [event["epoch"] for event in restored],
        "went on from seconds": [round(event["trained_seconds"], 1) for event in restored],
        "attempts charged": experiment.count("started"),
        "epochs": experiment.count("epoch"),
        "exit code": code,
        "device-seconds trained twice": _report(experiment)["device_seconds_again"],
        "findings": experiment.verify("--proposals"),
    }


def ghosts(folder: Path) -> dict[str, object]:
    """Kill a driver whose cluster lives on; go on while its workers still may write.

    The second driver meets a worker that stood still, with its machine, when the first one died,
    and that wakes up while the trial is resumed elsewhere.
    """
    experiment = _experiment(folder)
    with _cluster(experiment, [1, 1]) as (made, nodes):
        address = f"resources.address={made.address}"
        experiment.start("--set", address)
        lived = _kill_driver(experiment)
        experiment.start("--set", address)
        at = experiment.count("epoch")
        wait_for(lambda: experiment.count("epoch") >= at + 1, 300)

        node = _busy_node(nodes, experiment)
        frozen = [_raylet(node), *_workers_on(node, experiment)]
        for process in frozen:
            process.suspend()
        experiment.kill()
        experiment.start("--set", address)
        at = experiment.count("epoch")
        wait_for(lambda: experiment.count("epoch") >= at + 1, 400)
        for process in frozen[1:]:
            process.resume()
        awake = time.monotonic()
        wait_for(lambda: not any(map(_alive, frozen[1:])), 60, must=False)
        ghost_seconds = time.monotonic() - awake
        claimed = json.loads((_trial(experiment) / CLAIM).read_text())
        with suppress(psutil.NoSuchProcess):
            frozen[0].resume()
        code = experiment.wait(400)
    return {
        "seconds that workers outlived a killed driver": lived,
        "seconds that a worker that woke up lived": round(ghost_seconds, 1),
        "drivers": experiment.starts,
        "driver that had the trial's folder": claimed["driver"],
        "exit code": code,
        "epochs": experiment.count("epoch"),
        "findings": experiment.verify("--proposals"),
    }


def actors(folder: Path) -> dict[str, object]:
    """Kill one after the other the actors that a sweep on this machine stands on."""
    experiment = _experiment(folder)
    survived, deaths = [], {}
    experiment.start()
    for title in ("LaneTrial", "TrainController", "TrialBroker"):
        at = experiment.count("epoch")
        wait_for(lambda: experiment.count("epoch") > at or experiment.ended(), 300)  # noqa: B023
        os.kill(next(iter(experiment.processes(f"ray::{title}"))), signal.SIGKILL)
        at = experiment.count("epoch")
        wait_for(lambda: experiment.count("epoch") > at or experiment.ended(), 300)  # noqa: B023
        if not experiment.ended():
            survived.append(title)
            continue
        deaths[title] = experiment.wait()
        experiment.start()
    code = experiment.wait(400)
    experiment.wait_gone()
    return {
        "survived": survived,
        "exit codes of the others": deaths,
        "exit code at the end": code,
        "tracebacks": experiment.log.read_text().count("Traceback"),
        "interruptions": [e["cause"] for kind, e in _events(experiment) if kind == "interrupted"],
        "epochs": experiment.count("epoch"),
        "findings": experiment.verify("--proposals"),
    }


def _experiment(folder: Path, train_workers: int = 1) -> Experiment:
    spec = tiny_spec(
        folder / "runs",
        data={"synthetic_train_images": 200},
        space={"batch_size": [2]},
        budget={"trials": 1, "epochs": _EPOCHS},
        resources={"lanes": 1, "train_workers": train_workers},
    )
    experiment = Experiment(folder, spec)
    os.environ[MARK] = experiment.mark
    os.environ.update(SETTINGS)
    return experiment


@contextmanager
def _cluster(experiment: Experiment, cpus: list[int]) -> Iterator[tuple[Any, list[Any]]]:
    """Run a head without CPUs, and a node for each number; end every process of it."""
    from ray.cluster_utils import Cluster

    small: dict[str, Any] = {"include_dashboard": False, "object_store_memory": 100 * 2**20}
    made = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 0, "_system_config": _HEALTH, **small},
    )
    try:
        yield made, [made.add_node(num_cpus=count, **small) for count in cpus]
    finally:
        with suppress(Exception):
            made.shutdown()  # type: ignore[no-untyped-call]
        for pid in experiment.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        experiment.wait_gone()


def _drain(address: str, node_id: str) -> None:
    """Say of a machine what a cloud says of one that it takes back."""
    from ray import _raylet
    from ray.core.generated import autoscaler_pb2

    kinds: Any = autoscaler_pb2
    client: Any = _raylet
    reason = kinds.DrainNodeReason.Value("DRAIN_NODE_REASON_PREEMPTION")
    deadline = int(time.time() * 1000) + _NOTICE_MS
    accepted, why = client.GcsClient(address=address).drain_node(
        node_id, reason, "taken back", deadline
    )
    if not accepted:
        raise RuntimeError(f"Ray did not accept the notice: {why}")


def _partial_state(experiment: Experiment, patience: float) -> dict[str, Any] | None:
    """Return what a state in the middle of an epoch says of it; None where none comes."""
    found: list[dict[str, Any]] = []

    def look() -> bool:
        with suppress(OSError, RuntimeError):
            state = load_last(_trial(experiment)) or {}
            found.extend(filter(None, [state.get("partial")]))
        return any(partial["steps"] for partial in found)

    wait_for(look, patience, must=False, every=0.2)
    return next((partial for partial in found if partial["steps"]), None)


def _kill_driver(experiment: Experiment) -> float:
    """Kill the driver in the middle of its trial; return for how long its workers go on, s."""
    wait_for(lambda: experiment.count("epoch") >= 2 and (_trial(experiment) / LAST).exists(), 300)
    workers = [psutil.Process(pid) for pid in experiment.processes("RayTrainWorker")]
    experiment.kill()
    killed = time.monotonic()
    wait_for(lambda: not any(map(_alive, workers)), 120, every=0.02)
    return round(time.monotonic() - killed, 2)


def _alive(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False


def _raylet(node: Any) -> psutil.Process:  # noqa: ANN401 - Ray's own, untyped
    return psutil.Process(node.all_processes["raylet"][0].process.pid)


def _workers_on(node: Any, experiment: Experiment) -> list[psutil.Process]:  # noqa: ANN401
    raylet = _raylet(node).pid
    found = []
    for pid in experiment.processes("RayTrainWorker"):
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            if raylet in {parent.pid for parent in process.parents()}:
                found.append(process)
    return found


def _busy_node(nodes: list[Any], experiment: Experiment) -> Any:  # noqa: ANN401 - as above
    """Return the node on which the lane is; it may be on its way there."""
    busy: list[Any] = []

    def look() -> bool:
        busy.extend(node for node in nodes if _workers_on(node, experiment))
        return bool(busy)

    wait_for(look, 60)
    return busy[0]


def _trial(experiment: Experiment) -> Path:
    return next(experiment.storage.glob("sweeps/*")) / "trials" / _TRIAL


def _events(experiment: Experiment) -> list[tuple[str, dict[str, Any]]]:
    path = experiment.ledger()
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        rows = connection.execute("SELECT kind, payload FROM events ORDER BY seq").fetchall()
    return [(kind, json.loads(payload)) for kind, payload in rows]


def _report(experiment: Experiment) -> dict[str, Any]:
    path = next(experiment.storage.glob("sweeps/*/report/report.json"))
    found: dict[str, Any] = json.loads(path.read_text())["interruptions"]
    return found
