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
from cluster.telemetry.worker_location import whereabouts
from orchestrator.lanes.plan import LanePlan
from orchestrator.lanes.switchboard import Switchboard, is_loss_of_node
from trainables.lane.setup import LaneSetup
from trainables.lane.worker import lane_loop
from trainables.session.messages import TrialDone

__all__ = ["LanePlan", "LanePool"]

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from trainables.lane.setup import TrialRunner
    from trainables.session.messages import LaneTask, TrialMessage
    from trainables.session.session import LaneWatch

_LOG = logging.getLogger(__name__)
_MAX_STARTS_IN_A_ROW = 3
"""Starts of a lane on which no trial comes to its end; lost machines are not counted."""
_STARTING_SECONDS = 20.0
"""How long a lane that is not up may take to end: it may wait for a node that never comes."""
_POLL_SECONDS = 0.3
_MAX_CALLS = 10_000
"""Calls that may wait at the switchboard at once; each lane and each trial holds a few."""


class LanePool:
    """The warm lanes of a sweep, each one ``TorchTrainer.fit()`` in a thread of the driver."""

    def __init__(
        self,
        plans: LanePlan | Sequence[LanePlan],
        *,
        storage: str,
        quiet_path: str,
        runner: TrialRunner | None = None,
        place: Callable[[], dict[str, object]] = whereabouts,
        watch: Callable[[], LaneWatch] = LaneMonitor,
        name: str = "sweep",
        driver: int = 1,
    ) -> None:
        """Start the lanes of ``plans`` for the ``driver``-th process that drives the sweep."""
        self._plans = (plans,) if isinstance(plans, LanePlan) else tuple(plans)
        self._storage = storage
        self._quiet_path = quiet_path
        self._runner = runner
        self._place = place
        self._watch = watch
        self._closing = threading.Event()
        self._lost = threading.Event()
        self._lock = threading.Lock()
        self.faults: list[str] = []
        """Why lanes died, oldest first."""
        sizes = [plan.memory_mb for plan in self._plans if plan.memory_mb is not None]
        actor: Any = ray.remote(Switchboard)
        self.switchboard: Any = actor.options(
            num_cpus=0,
            max_concurrency=_MAX_CALLS,
            namespace=NAMESPACE,
            name=f"{name}/{uuid4().hex[:8]}",
            scheduling_strategy=NodeAffinitySchedulingStrategy(
                node_id=ray.get_runtime_context().get_node_id(),  # it dies with the driver alone
                soft=False,
            ),
        ).remote(largest_mb=max(sizes, default=None), driver=driver)
        self._started = [0] * len(self._plans)
        self._wanted = [0] * len(self._plans)
        self._alive = 0
        self._threads: list[threading.Thread] = []
        self.resize([plan.lanes for plan in self._plans])

    @property
    def lost(self) -> bool:
        """Whether the switchboard is gone, without which no lane gets or tells anything."""
        return self._lost.is_set()

    @property
    def size(self) -> int:
        """Lanes that fit on the cluster as it is now; as many trials may run at once."""
        return sum(self._wanted)

    def resize(self, lanes: Sequence[int]) -> None:
        """Have so many lanes of each plan; a lane whose node is gone waits for another one.

        Lanes beyond the number are not ended: the cluster took them, and may give them back.
        """
        with self._lock:
            self._wanted = list(lanes)
            for number, (plan, wanted) in enumerate(zip(self._plans, lanes, strict=True)):
                for _ in range(wanted - self._started[number]):
                    self._start(plan)
                self._started[number] = max(self._started[number], wanted)
        self.switchboard.expect.remote(self.size)

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
        """Return how ``task`` ended on a lane; its other messages go to ``on_message``."""
        ray.get(self.switchboard.submit.remote(task))
        asked = False
        while True:
            waiting = self.switchboard.next_message.remote(task.trial_id)
            while not ray.wait([waiting], timeout=_POLL_SECONDS)[0]:
                if stop_requested() and not asked:
                    asked = True
                    ray.get(self.switchboard.cancel.remote(task.trial_id))
            message: TrialMessage = ray.get(waiting)
            if isinstance(message, TrialDone):
                return message
            on_message(message)

    def close(self, timeout_s: float = 60.0) -> None:
        """Cancel what runs, end the lanes' workers, free their resources.

        Raises:
            RayActorError: the switchboard was lost, and with it whatever the lanes did last.
        """
        self._closing.set()
        try:
            ray.get(self.switchboard.close.remote())
            up = {str(lane["lane"]) for lane in ray.get(self.switchboard.lanes.remote())}
        except RayActorError:
            self._join(set(), 0.0)
            raise
        self._join(up, timeout_s)
        ray.kill(self.switchboard)

    def _join(self, up: set[str], timeout_s: float) -> None:
        begin = time.monotonic()
        for thread in sorted(self._threads, key=lambda each: each.name not in up):
            patience = timeout_s if thread.name in up else _STARTING_SECONDS
            thread.join(max(0.0, begin + patience - time.monotonic()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _keep(self, lane: str, plan: LanePlan) -> None:
        try:
            self._keep_up(lane, plan)
        except RayActorError as error:
            if not self._closing.is_set():
                _LOG.error("the switchboard is lost: %s", error)
                self._lost.set()

    def _keep_up(self, lane: str, plan: LanePlan) -> None:
        failures, ended = 0, 0
        while not self._closing.is_set() and failures < _MAX_STARTS_IN_A_ROW:
            try:
                self._fit(lane, plan)
                failures = 0
            except Exception as error:  # noqa: BLE001 - whatever killed the lane is its reason
                reason = _reason(error)
                if self._closing.is_set():
                    return
                self.faults.append(f"{lane}: {reason}")
                _LOG.warning("%s died and is started anew: %s", lane, reason)
                before, ended = ended, ray.get(self.switchboard.lane_lost.remote(lane, reason))
                if ended > before:
                    failures = 0
                failures += not is_loss_of_node(reason)
        if self._closing.is_set():
            return
        with self._lock:
            self._alive -= 1
            if self._alive == 0:
                ray.get(
                    self.switchboard.fail_waiting.remote(
                        f"no lane is left to run it; the last one died because: {self.faults[-1]}"
                    )
                )

    def _fit(self, lane: str, plan: LanePlan) -> None:
        gpu = plan.gpus_per_worker > 0
        setup = LaneSetup(
            lane=lane,
            switchboard=self.switchboard,
            quiet_path=self._quiet_path,
            energy=energy_counter if gpu else None,
            runner=self._runner,
            max_trials=plan.max_trials,
            memory_mb=plan.memory_mb,
            memory_fraction=plan.memory_fraction,
            place=self._place,
            watch=self._watch,
        )
        TorchTrainer(
            lane_loop,
            train_loop_config={"setup": setup},
            torch_config=TorchConfig(backend="nccl" if gpu else "gloo"),
            scaling_config=ScalingConfig(  # type: ignore[call-arg] # typed as that of Train v1
                num_workers=plan.train_workers,
                use_gpu=gpu,
                resources_per_worker=plan.resources,
                accelerator_type=plan.gpu_type,
                label_selector=dict(plan.labels) or None,
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
