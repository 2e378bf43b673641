"""Starts, restarts and closes the lanes of one sweep."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import ray
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchConfig, TorchTrainer

from cluster.telemetry import energy_counter
from orchestrator.lanes.switchboard import Switchboard
from trainables.messages import TrialDone
from trainables.ray_worker import LaneSetup, lane_loop

if TYPE_CHECKING:
    from collections.abc import Callable

    from trainables.messages import LaneTask, TrialMessage
    from trainables.ray_worker import TrialRunner

_LOG = logging.getLogger(__name__)
_MAX_STARTS_IN_A_ROW = 3
_POLL_SECONDS = 0.3
_MAX_CALLS = 10_000
"""Calls that may wait at the switchboard at once; each lane and each trial holds a few."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LanePlan:
    """How many lanes there are and what each holds."""

    lanes: int
    """Warm worker groups, >= 1; as many trials run at once."""
    train_workers: int = 1
    """Ray Train ranks per lane, >= 1; more than one trains with DDP."""
    cpus_per_worker: float = 1.0
    """CPU share of each rank, > 0."""
    gpus_per_worker: float = 0.0
    """GPU share of each rank, >= 0."""
    max_trials: int = 200
    """Trials after which a lane is recycled, >= 1."""


class LanePool:
    """The warm lanes of a sweep, each one ``TorchTrainer.fit()`` in a thread of the driver."""

    def __init__(
        self,
        plan: LanePlan,
        *,
        storage: str,
        quiet_path: str,
        runner: TrialRunner | None = None,
    ) -> None:
        self._plan = plan
        self._storage = storage
        self._quiet_path = quiet_path
        self._runner = runner
        self._closing = threading.Event()
        self._alive = plan.lanes
        self._lock = threading.Lock()
        self.faults: list[str] = []
        """Why lanes died, oldest first."""
        actor: Any = ray.remote(Switchboard)
        self.switchboard: Any = actor.options(num_cpus=0, max_concurrency=_MAX_CALLS).remote()
        self._threads = [
            threading.Thread(target=self._keep, args=(f"lane{i}",), name=f"lane{i}", daemon=True)
            for i in range(plan.lanes)
        ]
        for thread in self._threads:
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
        """Cancel what runs, end the lanes' workers, free their resources."""
        self._closing.set()
        ray.get(self.switchboard.close.remote())
        for thread in self._threads:
            thread.join(timeout_s)
        ray.kill(self.switchboard)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _keep(self, lane: str) -> None:
        failures = 0
        while not self._closing.is_set() and failures < _MAX_STARTS_IN_A_ROW:
            try:
                self._fit(lane)
                failures = 0
            except Exception as error:  # noqa: BLE001 - whatever killed the lane is its reason
                failures += 1
                reason = _reason(error)
                if self._closing.is_set():
                    return
                self.faults.append(f"{lane}: {reason}")
                _LOG.warning("%s died and is started anew: %s", lane, reason)
                ray.get(self.switchboard.lane_lost.remote(lane, reason))
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

    def _fit(self, lane: str) -> None:
        gpu = self._plan.gpus_per_worker > 0
        resources = {"CPU": self._plan.cpus_per_worker}
        if gpu:
            resources["GPU"] = self._plan.gpus_per_worker
        setup = LaneSetup(
            lane=lane,
            switchboard=self.switchboard,
            quiet_path=self._quiet_path,
            energy=energy_counter if gpu else None,
            runner=self._runner,
            max_trials=self._plan.max_trials,
        )
        TorchTrainer(
            lane_loop,
            train_loop_config={"setup": setup},
            torch_config=TorchConfig(backend="nccl" if gpu else "gloo"),
            scaling_config=ScalingConfig(
                num_workers=self._plan.train_workers, use_gpu=gpu, resources_per_worker=resources
            ),
            run_config=RunConfig(
                name=lane, storage_path=self._storage, failure_config=FailureConfig(max_failures=0)
            ),
        ).fit()


def _reason(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[-1] if text else 'no message'}"
