"""Starts, restarts and closes the lanes of one sweep."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

import ray
from ray.exceptions import RayActorError
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchConfig, TorchTrainer
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from cluster.probe import NAMESPACE
from cluster.telemetry.lane_monitor import LaneMonitor
from cluster.telemetry.readings import energy_counter
from cluster.telemetry.worker_location import worker_location
from orchestrator.lanes.restart import LaneRun, decide_restart
from orchestrator.lanes.sizing import LanePlan
from orchestrator.lanes.trial_broker import TrialBroker
from trainables.lane.setup import LaneSetup
from trainables.lane.worker import lane_loop
from trainables.session.messages import TrialDone

__all__ = ["LanePlan", "LanePool"]

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from trainables.lane.setup import TrialRunner
    from trainables.session.messages import LaneTask, TrialMessage
    from trainables.session.session import DeviceMonitor

_LOG = logging.getLogger(__name__)
_STARTING_SECONDS = 20.0
"""How long ``close`` waits for a lane that is not up: it may wait for a node that never joins."""
_POLL_SECONDS = 0.3
_MAX_CALLS = 10_000
"""Concurrent calls of the trial broker; each lane and each trial holds a few open."""


class LanePool:
    """The warm lanes of a sweep, each one ``TorchTrainer.fit()`` in a thread of the driver."""

    def __init__(
        self,
        plans: LanePlan | Sequence[LanePlan],
        *,
        storage: str,
        quiet_path: str,
        runner: TrialRunner | None = None,
        location: Callable[[], dict[str, object]] = worker_location,
        monitor: Callable[[], DeviceMonitor] = LaneMonitor,
        name: str = "sweep",
        driver: int = 1,
    ) -> None:
        """Start the lanes of ``plans``; ``driver`` numbers the sweep's driver processes, from 1."""
        self._plans = (plans,) if isinstance(plans, LanePlan) else tuple(plans)
        self._storage = storage
        self._quiet_path = quiet_path
        self._runner = runner
        self._location = location
        self._monitor = monitor
        self._closing = threading.Event()
        self._lost = threading.Event()
        self._lock = threading.Lock()
        self.faults: list[str] = []
        """Why lanes died, oldest first."""
        sizes = [plan.memory_mb for plan in self._plans if plan.memory_mb is not None]
        actor: Any = ray.remote(TrialBroker)
        self.broker: Any = actor.options(
            num_cpus=0,
            max_concurrency=_MAX_CALLS,
            namespace=NAMESPACE,
            name=f"{name}/{uuid4().hex[:8]}",
            scheduling_strategy=NodeAffinitySchedulingStrategy(
                node_id=ray.get_runtime_context().get_node_id(),  # lost only with the driver
                soft=False,
            ),
        ).remote(largest_mb=max(sizes, default=None), driver=driver)
        self._started = [0] * len(self._plans)
        self._wanted = [0] * len(self._plans)
        self._alive = 0
        self._ended: dict[str, int] = {}
        self._threads: list[threading.Thread] = []
        self.resize([plan.lanes for plan in self._plans])

    @property
    def lost(self) -> bool:
        """Whether the trial broker died; no lane can run a trial without it."""
        return self._lost.is_set()

    @property
    def size(self) -> int:
        """Lanes that fit on the cluster now; the maximum of concurrent trials."""
        return sum(self._wanted)

    def resize(self, lanes: Sequence[int]) -> None:
        """Set the number of lanes of each plan and start the missing ones.

        Lanes beyond the number keep waiting for a node: the cluster may provide it again.
        """
        with self._lock:
            self._wanted = list(lanes)
            for number, (plan, wanted) in enumerate(zip(self._plans, lanes, strict=True)):
                for _ in range(wanted - self._started[number]):
                    self._start(plan)
                self._started[number] = max(self._started[number], wanted)
        self.broker.expect_lanes.remote(self.size)

    def _start(self, plan: LanePlan) -> None:
        lane = f"lane{len(self._threads)}"
        thread = threading.Thread(target=self._keep, args=(lane, plan), name=lane, daemon=True)
        self._alive += 1
        self._threads.append(thread)
        thread.start()

    def run(
        self,
        task: LaneTask,
        *,
        on_message: Callable[[TrialMessage], None],
        stop_requested: Callable[[], bool],
    ) -> TrialDone:
        """Run ``task`` on a lane and return its end; pass its other messages to ``on_message``."""
        ray.get(self.broker.submit.remote(task))
        cancelled = False
        while True:
            waiting = self.broker.next_message.remote(task.trial_id)
            while not ray.wait([waiting], timeout=_POLL_SECONDS)[0]:
                if stop_requested() and not cancelled:
                    cancelled = True
                    ray.get(self.broker.cancel.remote(task.trial_id))
            message: TrialMessage = ray.get(waiting)
            if isinstance(message, TrialDone):
                return message
            on_message(message)

    def close(self, timeout_s: float = 60.0) -> None:
        """Cancel running tasks, end the lanes' workers, free their resources.

        Raises:
            RayActorError: the trial broker died, and the lanes' last messages with it.
        """
        self._closing.set()
        try:
            ray.get(self.broker.close.remote())
            up = {str(lane["lane"]) for lane in ray.get(self.broker.lanes.remote())}
        except RayActorError:
            self._join(set(), 0.0)
            raise
        self._join(up, timeout_s)
        ray.kill(self.broker)

    def _join(self, up: set[str], timeout_s: float) -> None:
        begin = time.monotonic()
        for thread in sorted(self._threads, key=lambda thread: thread.name not in up):
            patience = timeout_s if thread.name in up else _STARTING_SECONDS
            thread.join(max(0.0, begin + patience - time.monotonic()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _keep(self, lane: str, plan: LanePlan) -> None:
        """Run the lane until it is given up or the pool closes; the body of its thread."""
        try:
            failures, restart = 0, True
            while restart and not self._closing.is_set():
                decision = decide_restart(self._run_once(lane, plan), failures)
                failures, restart = decision.failures, decision.restart
            if not self._closing.is_set():
                self._give_up()
        except RayActorError as error:
            if not self._closing.is_set():
                _LOG.error("the trial broker died: %s", error)
                self._lost.set()

    def _run_once(self, lane: str, plan: LanePlan) -> LaneRun:
        """Start the lane, wait for its end and report a failure to the trial broker."""
        try:
            self._fit(lane, plan)
        except Exception as error:  # noqa: BLE001 - Ray wraps any error of a worker
            reason = _reason(error)
            if self._closing.is_set():
                return LaneRun(reason=reason)
            self.faults.append(f"{lane}: {reason}")
            _LOG.warning("%s died and is restarted: %s", lane, reason)
            before = self._ended.get(lane, 0)
            self._ended[lane] = ray.get(self.broker.lane_lost.remote(lane, reason))
            return LaneRun(reason=reason, ended_trials=self._ended[lane] - before)
        return LaneRun(reason=None)

    def _give_up(self) -> None:
        with self._lock:
            self._alive -= 1
            if self._alive == 0:
                reason = f"no lane is left to run it; the last one died because: {self.faults[-1]}"
                ray.get(self.broker.preempt_queued.remote(reason))

    def _fit(self, lane: str, plan: LanePlan) -> None:
        gpu = plan.shape.gpus > 0
        setup = LaneSetup(
            lane=lane,
            broker=self.broker,
            quiet_path=self._quiet_path,
            energy=energy_counter if gpu else None,
            runner=self._runner,
            max_trials=plan.max_trials,
            memory_mb=plan.memory_mb,
            memory_fraction=plan.memory_fraction,
            location=self._location,
            monitor=self._monitor,
        )
        TorchTrainer(
            lane_loop,
            train_loop_config={"setup": setup},
            torch_config=TorchConfig(backend="nccl" if gpu else "gloo"),
            scaling_config=ScalingConfig(  # type: ignore[call-arg] # typed as that of Train v1
                num_workers=plan.shape.workers,
                use_gpu=gpu,
                resources_per_worker=plan.resources,
                accelerator_type=plan.shape.gpu_type,
                label_selector=dict(plan.shape.labels) or None,
            ),
            run_config=RunConfig(
                name=lane,
                storage_path=self._storage,
                failure_config=FailureConfig(  # type: ignore[call-arg] # as above
                    max_failures=0, max_preemption_failures=0
                ),
            ),
        ).fit()


def _reason(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[-1] if text else 'no message'}"
