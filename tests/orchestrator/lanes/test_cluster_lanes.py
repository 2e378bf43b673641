"""Lanes on real Ray clusters of several nodes: full ones, and ones with a sick GPU."""

from __future__ import annotations

import os
import socket
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import ray

from cluster.capacity.packing import LaneShape
from cluster.start.connection import connected
from cluster.telemetry.gpu_sample import GpuSample
from cluster.telemetry.lane_monitor import LaneMonitor
from orchestrator.lanes.pool import LanePlan, LanePool
from tests.orchestrator.lanes.test_pool import leftovers, task
from trainables.session.messages import EpochDone, TrialDone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from trainables.session.messages import TrialMessage, TrialTask
    from trainables.session.session import TrialSession

pytestmark = [pytest.mark.ray, pytest.mark.long]
PATIENCE = 120.0
STEPS = 20


@contextmanager
def cluster_of(nodes: int) -> Iterator[None]:
    """Work on a cluster with a head without CPUs and ``nodes`` nodes of one CPU each."""
    from ray.cluster_utils import Cluster

    def common() -> dict[str, Any]:
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            port = found.getsockname()[1]
        return {"object_store_memory": 80 * 2**20, "dashboard_agent_listen_port": port}

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **common()})
    try:
        for number in range(nodes):
            cluster.add_node(num_cpus=1, resources={f"node{number}": 1}, **common())
        with connected(cluster.address):
            yield
    finally:
        cluster.shutdown()  # type: ignore[no-untyped-call]


def steps(one: TrialTask, session: TrialSession) -> TrialDone:
    """Run some steps on all ranks together; report their number."""
    for step in range(STEPS):
        session.synchronize()
        if session.should_stop():
            return TrialDone(trial_id=one.trial_id, state="stopped", reason="", metrics={})
        time.sleep(0.01)
        if step == 0:
            session.report(EpochDone(trial_id=one.trial_id, epoch=1, metrics={}))
    return TrialDone(
        trial_id=one.trial_id,
        state="complete",
        reason="",
        metrics={"ranks": float(session.world_size), "resumed": float(one.resume)},
    )


def wait_until(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.2)


def lanes_up(pool: LanePool) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ray.get(pool.broker.lanes.remote())
    return found


def end_of(pool: LanePool, trial_id: str) -> TrialDone:
    while True:
        message: TrialMessage = ray.get(pool.broker.next_message.remote(trial_id), timeout=PATIENCE)
        if isinstance(message, TrialDone):
            return message


def test_lanes_of_two_wait_for_room_without_holding_half_of_it(tmp_path: Path) -> None:
    """Four CPUs on four nodes, another tenant on one: one lane fits, three are wanted."""
    with cluster_of(4):
        tenant: Any = ray.remote(num_cpus=1)(_Tenant).remote()
        ray.get(tenant.here.remote())
        plan = LanePlan(lanes=3, shape=LaneShape(workers=2, cpus=1))
        pool = LanePool(
            plan,
            storage=str(tmp_path / "ray"),
            quiet_path=str(tmp_path / "quiet"),
            runner=steps,  # type: ignore[arg-type] # trials alone are given to it
        )
        try:
            names = [f"t{number}" for number in range(6)]
            for name in names[:3]:
                ray.get(pool.broker.submit.remote(task(name, tmp_path)))
            first = [end_of(pool, name) for name in names[:3]]
            assert [done.state for done in first] == ["complete"] * 3
            assert {done.metrics["ranks"] for done in first} == {2.0}
            assert len(lanes_up(pool)) == 1  # three CPUs hold no second pair
            ray.kill(tenant)
            wait_until(lambda: len(lanes_up(pool)) == 2)  # four hold two, and no third
            for name in names[3:]:
                ray.get(pool.broker.submit.remote(task(name, tmp_path)))
            assert [end_of(pool, name).state for name in names[3:]] == ["complete"] * 3
            assert len(lanes_up(pool)) == 2
            assert pool.faults == []
        finally:
            begin = time.monotonic()
            pool.close()
        assert time.monotonic() - begin < 60  # the lane that never came keeps nobody
        wait_until(lambda: leftovers() == set())
        wait_until(lambda: ray.available_resources().get("CPU") == 4)  # type: ignore[no-untyped-call]


class _Tenant:
    """Holds a CPU of the cluster for somebody else."""

    def here(self) -> bool:
        return True


def its_gpu() -> str:
    """Return the identity of the simulated GPU of this node."""
    resources = ray.get_runtime_context().get_node_id()
    (node,) = [each for each in ray.nodes() if each["NodeID"] == resources]  # type: ignore[no-untyped-call]
    (name,) = [each for each in node["Resources"] if each in {"node0", "node1"}]
    return f"GPU-of-{name}"


def place() -> dict[str, object]:
    """Return the location of a lane: a node with one GPU."""
    return {"node": socket.gethostname(), "pid": os.getpid(), "gpus": [its_gpu()]}


class Script:
    """Samples of one GPU, with an ECC error once the file exists."""

    def __init__(self, sick: Path) -> None:
        self._sick = sick

    def __call__(self, uuids: Sequence[str]) -> tuple[GpuSample | None, ...]:
        sick = self._sick.read_text().split() if self._sick.exists() else []
        return tuple(
            GpuSample(uuid=uuid, at=time.monotonic(), power_w=100.0, ecc_uncorrected=uuid in sick)
            for uuid in uuids
        )


class Watch:
    """Makes the real monitor of a lane, fed by a script in the place of the driver library."""

    def __init__(self, sick: Path) -> None:
        self._sick = sick

    def __call__(self) -> LaneMonitor:
        return LaneMonitor(sample=Script(self._sick), uuids=[its_gpu()], seconds=0.05)


def long_steps(one: TrialTask, session: TrialSession) -> TrialDone:
    """Run until stopped, or for some steps after a resume."""
    for step in range(100_000):
        session.synchronize()
        if session.should_stop():
            return TrialDone(trial_id=one.trial_id, state="stopped", reason="", metrics={})
        time.sleep(0.02)
        if step == 0:
            session.report(EpochDone(trial_id=one.trial_id, epoch=1, metrics={}))
        if one.resume and step == STEPS:
            break
    return TrialDone(trial_id=one.trial_id, state="complete", reason="", metrics={})


def test_a_sick_gpu_is_banned_and_its_trial_resumes_on_another_lane(tmp_path: Path) -> None:
    sick = tmp_path / "sick"
    with cluster_of(2):
        pool = LanePool(
            LanePlan(lanes=2, shape=LaneShape(cpus=1)),
            storage=str(tmp_path / "ray"),
            quiet_path=str(tmp_path / "quiet"),
            runner=long_steps,  # type: ignore[arg-type] # trials alone are given to it
            location=place,
            monitor=Watch(sick),
        )
        try:
            wait_until(lambda: len(lanes_up(pool)) == 2)
            ray.get(pool.broker.submit.remote(task("t0", tmp_path)))
            first = ray.get(pool.broker.next_message.remote("t0"), timeout=PATIENCE)
            assert isinstance(first, EpochDone)
            assert first.metrics["system/gpu_power_usage_watts"] == 100.0
            (before,) = [lane for lane in lanes_up(pool) if lane["trial"] == "t0"]
            sick.write_text(before["gpus"][0])
            assert end_of(pool, "t0").state == "complete"
            assert "UnfitLaneError" in pool.faults[0]
            wait_until(lambda: len(lanes_up(pool)) == 2)
            out = {lane["gpus"][0]: lane["out"] for lane in lanes_up(pool)}
            assert out.pop(before["gpus"][0]) == "1 uncorrected ECC error(s) in its memory"
            (sound,) = out
            assert out == {sound: None}

            ray.get(pool.broker.submit.remote(task("t1", tmp_path)))
            assert isinstance(
                ray.get(pool.broker.next_message.remote("t1"), timeout=PATIENCE), EpochDone
            )
            sick.write_text(f"{before['gpus'][0]} {sound}")
            last = end_of(pool, "t1")
            assert last.state == "preempted"
            assert "the device of every lane is banned" in last.reason
        finally:
            pool.close()


def test_every_ranks_gpu_is_watched(tmp_path: Path) -> None:
    sick = tmp_path / "sick"
    with cluster_of(2):
        pool = LanePool(
            LanePlan(lanes=1, shape=LaneShape(workers=2, cpus=1)),
            storage=str(tmp_path / "ray"),
            quiet_path=str(tmp_path / "quiet"),
            runner=long_steps,  # type: ignore[arg-type] # trials alone are given to it
            location=place,
            monitor=Watch(sick),
        )
        try:
            ray.get(pool.broker.submit.remote(task("t0", tmp_path)))
            first = ray.get(pool.broker.next_message.remote("t0"), timeout=PATIENCE)
            assert isinstance(first, EpochDone)
            assert first.metrics["system/gpu_power_usage_watts"] == 200.0
            (lane,) = lanes_up(pool)
            assert sorted(lane["gpus"]) == ["GPU-of-node0", "GPU-of-node1"]
            sick.write_text(lane["gpus"][1])  # that of the second rank
            ended = end_of(pool, "t0")
            assert ended.state == "preempted"
            assert "uncorrected ECC error" in ended.reason
        finally:
            pool.close()
