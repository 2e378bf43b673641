"""Lanes on a real local Ray; every runner here is picked up by the workers by its code."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest
import ray

from cluster.capacity.packing import LaneShape
from cluster.start.connection import connected
from orchestrator.lanes.pool import LanePlan, LanePool
from trainables.config import DataConfig, TargetConfig, TrainingConfig
from trainables.session.messages import EpochDone, TrialDone, TrialTask

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from trainables.session.messages import TrialMessage
    from trainables.session.session import TrialSession

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    with connected():
        yield


def scripted(task: TrialTask, session: TrialSession) -> TrialDone:
    """Act as the task's id names; report the rank's process in the metrics."""
    what = task.trial_id.split("-")[0]
    if what == "die" and not task.resume:
        os._exit(1)
    epoch = 0
    while what == "long" and not session.should_stop():
        time.sleep(0.005)
        session.synchronize()
        epoch += 1
        if epoch == 3:
            session.report(EpochDone(trial_id=task.trial_id, epoch=1, metrics={}))
    session.synchronize()
    return TrialDone(
        trial_id=task.trial_id,
        state="stopped" if what == "long" else "complete",
        reason="",
        metrics={"pid": float(os.getpid()), "ranks": float(session.world_size)},
    )


def task(trial_id: str, folder: Path) -> TrialTask:
    return TrialTask(
        sweep_id="s",
        trial_id=trial_id,
        config={},
        seed=0,
        epochs=1,
        data=DataConfig(),
        training=TrainingConfig(),
        target=TargetConfig(),
        cache_dir=str(folder),
        output_dir=str(folder),
    )


def pool_of(folder: Path, workers: int, max_trials: int = 200) -> LanePool:
    plan = LanePlan(lanes=1, shape=LaneShape(workers=workers, cpus=0.5), max_trials=max_trials)
    return LanePool(
        plan,
        storage=str(folder / "ray"),
        quiet_path=str(folder / "quiet"),
        runner=scripted,  # type: ignore[arg-type] # trials alone are given to it
    )


def run(pool: LanePool, one: TrialTask, cancel_on: type | None = None) -> TrialDone:
    def hear(message: TrialMessage) -> None:
        if cancel_on is not None and isinstance(message, cancel_on):
            ray.get(pool.broker.cancel.remote(one.trial_id))

    return pool.run(one, on_message=hear, stop_requested=lambda: False)


def leftovers() -> set[str]:
    from ray.util.placement_group import placement_group_table

    groups = placement_group_table()
    return {key for key, group in groups.items() if group["state"] != "REMOVED"}


@pytest.mark.parametrize("workers", [1, 2])
def test_trials_share_a_warm_worker_group_and_stop_within_an_epoch(
    tmp_path: Path, workers: int
) -> None:
    with pool_of(tmp_path, workers) as pool:
        first = run(pool, task("plain-1", tmp_path))
        assert first.metrics["ranks"] == workers
        stopped = [
            run(pool, task(f"long-{i}", tmp_path), cancel_on=EpochDone).state for i in range(20)
        ]
        assert stopped == ["stopped"] * 20
        last = run(pool, task("plain-2", tmp_path))
        assert last.metrics["pid"] == first.metrics["pid"]
        assert pool.faults == []
    assert leftovers() == set()


def test_a_trial_that_kills_its_lane_resumes_on_a_restarted_one(tmp_path: Path) -> None:
    with pool_of(tmp_path, 1) as pool:
        assert run(pool, task("die-1", tmp_path)).state == "complete"
        assert len(pool.faults) == 1
    assert leftovers() == set()


def test_a_lane_is_recycled_after_its_trials(tmp_path: Path) -> None:
    with pool_of(tmp_path, 1, max_trials=2) as pool:
        pids = [run(pool, task(f"plain-{i}", tmp_path)).metrics["pid"] for i in range(3)]
        assert pids[0] == pids[1] != pids[2]
        assert pool.faults == []


def test_close_cancels_running_trials(tmp_path: Path) -> None:
    pool = pool_of(tmp_path, 1)
    long = task("long-1", tmp_path)
    ray.get(pool.broker.submit.remote(long))
    message = ray.get(pool.broker.next_message.remote("long-1"))
    assert isinstance(message, EpochDone)
    begin = time.monotonic()
    pool.close()
    assert time.monotonic() - begin < 30
    assert leftovers() == set()
