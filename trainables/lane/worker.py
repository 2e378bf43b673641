"""The loop of a warm Ray Train worker through which trials pass."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import ray
import ray.train
import ray.train.torch
import torch
import torch.distributed as dist

from trainables.cost.quiet import QuietNode
from trainables.lane.agreement import control_group, gather
from trainables.lane.notices import Notices
from trainables.lane.session import LaneSession, LeaveLane
from trainables.session.messages import FinalCheckTask, TeacherTask, TrialDone, TrialTask

if TYPE_CHECKING:
    from trainables.lane.setup import LaneSetup, TrialRunner
    from trainables.session.messages import LaneTask
    from trainables.session.session import LaneWatch, TrialSession

_IDLE_SECONDS = 20.0
"""How often an idle lane's ranks meet, well under the process group's timeout."""


class UnfitLaneError(RuntimeError):
    """A device of the lane is not to be used any more."""


def lane_loop(setup: dict[str, LaneSetup]) -> None:
    """Run trials from the switchboard until told to close, or until the lane is worn out."""
    _Lane(setup["setup"]).run()


class _Lane:
    def __init__(self, setup: LaneSetup) -> None:
        context = ray.train.get_context()
        self._setup = setup
        self._rank = context.get_world_rank()
        self._world = context.get_world_size()
        self._group = control_group() if self._world > 1 else None
        self._runner = setup.runner or _real_runner()
        self._quiet = QuietNode(Path(setup.quiet_path))
        self._notices = Notices(setup, self._rank)
        self._resting_mb: float | None = None
        self._watch: LaneWatch | None = None if setup.watch is None else setup.watch()

    def run(self) -> None:
        """Run trials until told to close, or until the lane is worn out.

        Raises:
            UnfitLaneError: a device of the lane is not to be used any more.
        """
        try:
            self._run()
        except LeaveLane as leaving:
            ray.get(self._setup.switchboard.ban.remote(leaving.unfit))
            raise UnfitLaneError(str(leaving)) from None
        finally:
            if self._watch is not None:
                self._watch.close()

    def _run(self) -> None:
        device = ray.train.torch.get_device()
        self._enter(device)
        gc.collect()
        gc.freeze()  # what is loaded by now stays; collecting after a trial looks at the rest alone
        for _ in range(self._setup.max_trials):
            task = self._receive()
            if task is None:
                return
            session = LaneSession(
                self._setup,
                task,
                rank=self._rank,
                world_size=self._world,
                device=device,
                group=self._group,
                quiet=self._quiet,
                notices=self._notices,
                watch=self._watch,
            )
            done = self._runner(task, session)
            session.close(done)
            out_of_memory = done.state == "infeasible" and device.type == "cuda"
            del session, done
            if self._agree_worn() or out_of_memory or self._notices.heard:
                return

    def _enter(self, device: torch.device) -> None:
        """Keep to the lane's share of the GPU; say where the lane is."""
        if device.type == "cuda" and self._setup.memory_fraction is not None:
            torch.cuda.set_per_process_memory_fraction(self._setup.memory_fraction, device)
        if self._setup.place is None:
            return
        own = self._setup.place()
        gathered = gather(own.get("gpus"), self._group)
        devices = list(dict.fromkeys(device for each in gathered for device in each or ()))
        if self._rank == 0:
            node = ray.get_runtime_context().get_node_id()
            place = {"node_id": node, **own, "gpus": devices}
            ray.get(self._setup.switchboard.announce.remote(self._setup.lane, place))

    def _receive(self) -> LaneTask | None:
        while True:
            order = None
            if self._rank == 0:
                setup = self._setup
                order = ray.get(
                    setup.switchboard.take.remote(setup.lane, _IDLE_SECONDS, setup.memory_mb)
                )
            order = self._share(order)
            if order == "idle":
                self._notices.ask()
            if order == "close" or self._notices.heard:
                return None
            if isinstance(order, TrialTask | TeacherTask | FinalCheckTask):
                return order

    def _agree_worn(self) -> bool:
        return any(gather(self._worn(), self._group))

    def _worn(self) -> bool:
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        resident = psutil.Process().memory_info().rss / 2**20
        if self._resting_mb is None:
            self._resting_mb = resident
        return bool(resident - self._resting_mb > self._setup.max_growth_mb)

    def _share(self, value: object) -> object:
        if self._group is None:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0, group=self._group)
        return box[0]


def _real_runner() -> TrialRunner:
    # A lane that runs something else need not load the models.
    from trainables.distillation.teacher_task import run_teacher  # noqa: PLC0415
    from trainables.lane.final_check import run_final_check  # noqa: PLC0415
    from trainables.trial import run_trial  # noqa: PLC0415

    def run(task: LaneTask, session: TrialSession) -> TrialDone:
        if isinstance(task, TeacherTask):
            return run_teacher(task, session)
        if isinstance(task, FinalCheckTask):
            return run_final_check(task, session)
        return run_trial(task, session)

    return run
