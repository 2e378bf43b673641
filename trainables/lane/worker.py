"""The loop of a warm Ray Train worker that runs one trial after the other."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import torch

from trainables.cost.quiet import QuietNode
from trainables.lane.preemption import PreemptionNotices
from trainables.lane.ray_worker import (
    BrokerClient,
    is_preemption_noticed,
    rank_and_world_size,
    worker_device,
)
from trainables.lane.session import LaneSession, LeaveLane
from trainables.session.blame import is_device_fault
from trainables.session.failure import describe_error
from trainables.session.messages import FinalCheckTask, TeacherTask, TrialDone, TrialTask
from trainables.session.ranks import Ranks

if TYPE_CHECKING:
    from trainables.lane.setup import LaneSetup, TrialRunner
    from trainables.session.messages import LaneTask
    from trainables.session.session import DeviceMonitor, TrialSession

_IDLE_SECONDS = 20.0
"""How often the ranks of an idle lane synchronize, well under the process group's timeout."""


class UnfitLaneError(RuntimeError):
    """A device of the lane is unfit to train on."""


class DeviceFaultError(RuntimeError):
    """This process cannot use its device any more."""


def lane_loop(setup: dict[str, LaneSetup]) -> None:
    """Run trials from the trial broker until it closes the lane, or the lane is recycled."""
    _Lane(setup["setup"]).run()


class _Lane:
    def __init__(self, setup: LaneSetup) -> None:
        self._setup = setup
        self._broker = BrokerClient(setup.broker, setup.lane)
        self._ranks = Ranks(*rank_and_world_size())
        self._runner = setup.runner or _training_runner()
        self._quiet = QuietNode(Path(setup.quiet_path))
        self._notices = PreemptionNotices(is_preemption_noticed, self._report_notice)
        self._idle_mb: float | None = None
        self._monitor: DeviceMonitor | None = None if setup.monitor is None else setup.monitor()

    def run(self) -> None:
        """Run trials until the trial broker closes the lane, or the lane is recycled.

        Raises:
            UnfitLaneError: a device of the lane is unfit; it was reported to the trial broker.
            DeviceFaultError: the process cannot use its device any more, see ``is_device_fault``.
        """
        try:
            self._run()
        except LeaveLane as leaving:
            self._broker.ban(leaving.unfit)
            raise UnfitLaneError(str(leaving)) from None
        except Exception as error:
            if not is_device_fault(error):
                raise
            # One line: the pool reports the last line, which in CUDA's messages is a hint.
            raise DeviceFaultError(describe_error(error)) from error
        finally:
            if self._monitor is not None:
                self._monitor.close()

    def _run(self) -> None:
        device = worker_device()
        if device.type == "cuda" and self._setup.memory_fraction is not None:
            torch.cuda.set_per_process_memory_fraction(self._setup.memory_fraction, device)
        self._announce()
        gc.collect()
        gc.freeze()  # loaded modules stay; collections after a trial then skip them
        for _ in range(self._setup.max_trials):
            task = self._next_task()
            if task is None:
                return
            session = LaneSession(
                task,
                self._broker,
                ranks=self._ranks,
                device=device,
                quiet=self._quiet,
                notices=self._notices,
                energy=self._setup.energy,
                monitor=self._monitor,
            )
            done = self._runner(task, session)
            session.close(done)
            out_of_memory = done.state == "infeasible" and device.type == "cuda"
            del session, done
            outgrown = any(self._ranks.gather(self._is_outgrown()))
            if outgrown or out_of_memory or self._notices.received:
                return

    def _announce(self) -> None:
        """Report the location of rank 0 with the GPUs of all ranks."""
        if self._setup.location is None:
            return
        location = self._setup.location()
        gpus = self._ranks.gather(location.get("gpus"))
        if self._ranks.rank == 0:
            devices = [gpu for rank in gpus if isinstance(rank, list) for gpu in rank]
            self._broker.announce({**location, "gpus": list(dict.fromkeys(devices))})

    def _next_task(self) -> LaneTask | None:
        while True:
            order = self._ranks.on_first(
                lambda: self._broker.take(_IDLE_SECONDS, self._setup.memory_mb)
            )
            if order == "idle":
                self._notices.poll()
            if order == "close" or self._notices.received:
                return None
            if isinstance(order, TrialTask | TeacherTask | FinalCheckTask):
                return order

    def _report_notice(self) -> None:
        if self._ranks.rank == 0:
            self._broker.notice_received()

    def _is_outgrown(self) -> bool:
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        resident_mb = psutil.Process().memory_info().rss / 2**20
        if self._idle_mb is None:
            self._idle_mb = resident_mb
        return bool(resident_mb - self._idle_mb > self._setup.max_growth_mb)


def _training_runner() -> TrialRunner:
    # Imported here: a lane with a runner of its own need not load the models.
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
