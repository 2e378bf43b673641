"""The loop of a warm Ray Train worker through which trials pass."""

from __future__ import annotations

import gc
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import psutil
import ray
import ray.train
import ray.train.torch
import torch
import torch.distributed as dist

from trainables.cost.quiet import QuietNode
from trainables.messages import EpochDone, TeacherTask, TrialDone, TrialTask

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from trainables.messages import LaneTask, TrialMessage
    from trainables.session import LaneWatch, TrialSession

_IDLE_SECONDS = 20.0
"""How often an idle lane's ranks meet, well under the process group's timeout."""
_NOTICE_SECONDS = 2.0
"""How often it is asked whether a machine of the lane is going to be taken away."""


class TrialRunner(Protocol):
    """Runs one trial on every rank of a lane."""

    def __call__(self, task: LaneTask, session: TrialSession) -> TrialDone:
        """Return how the trial ended; must not raise for the configuration's own faults."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneSetup:
    """What every worker of a lane is started with; survives pickling."""

    lane: str
    """Name of the lane."""
    switchboard: Any
    """Ray actor handle of the sweep's switchboard."""
    quiet_path: str
    """File that everything on one node meets at while a latency is measured."""
    runner: TrialRunner | None = None
    """Runs a trial; None for real training."""
    energy: Callable[[int | None], float | None] | None = None
    """Reads the energy counter of the CUDA device of that index, J; None where nothing meters."""
    max_trials: int = 200
    """Trials after which the lane is recycled, >= 1."""
    max_growth_mb: float = 2048.0
    """Growth of a worker's resident memory over its first idle state at which it is recycled."""
    memory_mb: float | None = None
    """Device memory that a trial here may take, MB of 1e6 bytes; None: whatever there is."""
    memory_fraction: float | None = None
    """Share of its GPU's memory that each rank is held to, (0, 1]; None holds it to nothing."""
    place: Callable[[], dict[str, object]] | None = None
    """Says where a worker is, for whoever looks at the cluster; None says nothing."""
    watch: Callable[[], LaneWatch] | None = None
    """Begins to watch the devices of a rank; None watches nothing."""


class _Notices:
    """Whether Ray said that a machine of the lane goes; asked by all ranks at the same moments."""

    def __init__(self, setup: LaneSetup, rank: int) -> None:
        self._setup, self._rank = setup, rank
        self._asked_at = time.monotonic()
        self.heard = False
        """Whether it did; equal on all ranks, and true for good."""

    def due(self) -> bool:
        """Whether it is time to ask again; each rank has its own answer."""
        return not self.heard and time.monotonic() - self._asked_at >= _NOTICE_SECONDS

    def ask(self) -> None:
        """Ask Ray, which compares what the ranks hear."""
        self._asked_at = time.monotonic()
        if self.heard or ray.train.get_preemption_info() is None:
            return
        self.heard = True
        if self._rank == 0:
            self._setup.switchboard.noticed.remote(self._setup.lane)


class UnfitLaneError(RuntimeError):
    """A device of the lane is not to be used any more."""


class _LeaveLane(BaseException):
    """Ends a trial in mid-step without a word on how it went.

    Attributes:
        unfit: Why devices are not to be used any more, by their identity.
    """

    def __init__(self, unfit: dict[str, str]) -> None:
        super().__init__("; ".join(f"{device}: {why}" for device, why in unfit.items()))
        self.unfit = unfit


def lane_loop(setup: dict[str, LaneSetup]) -> None:
    """Run trials from the switchboard until told to close, or until the lane is worn out."""
    _Lane(setup["setup"]).run()


class _Lane:
    def __init__(self, setup: LaneSetup) -> None:
        context = ray.train.get_context()
        self._setup = setup
        self._rank = context.get_world_rank()
        self._world = context.get_world_size()
        self._group = _control_group() if self._world > 1 else None
        self._runner = setup.runner or _real_runner()
        self._quiet = QuietNode(Path(setup.quiet_path))
        self._notices = _Notices(setup, self._rank)
        self._resting_mb: float | None = None
        self._watch: LaneWatch | None = None if setup.watch is None else setup.watch()

    def run(self) -> None:
        """Run trials until told to close, or until the lane is worn out.

        Raises:
            UnfitLaneError: a device of the lane is not to be used any more.
        """
        try:
            self._run()
        except _LeaveLane as leaving:
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
            session = _LaneSession(
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
        gathered = _gather(own.get("gpus"), self._group)
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
            if isinstance(order, TrialTask | TeacherTask):
                return order

    def _agree_worn(self) -> bool:
        return any(_gather(self._worn(), self._group))

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


class _LaneSession:
    """The trial's view of its lane; a ``TrialSession``."""

    def __init__(
        self,
        setup: LaneSetup,
        task: LaneTask,
        *,
        rank: int,
        world_size: int,
        device: torch.device,
        group: dist.ProcessGroup | None,
        quiet: QuietNode,
        notices: _Notices,
        watch: LaneWatch | None = None,
    ) -> None:
        self.rank = rank
        self.world_size = world_size
        self.device = device
        self._setup = setup
        self._group = group
        self._quiet = quiet
        self._notices = notices
        self._watch = watch
        self._training = ExitStack()
        self._in_training = False
        self._sent: Any = None
        self._cancelled = (
            setup.switchboard.wait_cancelled.remote(task.trial_id) if rank == 0 else None
        )
        self._stop = False

    def report(self, message: TrialMessage) -> None:
        """Hand ``message`` to the switchboard, from rank 0 only; all ranks report each epoch."""
        if isinstance(message, EpochDone) and self._watch is not None:
            figures = self._watch.combine(_gather(self._watch.take(), self._group))
            message = replace(message, metrics={**message.metrics, **figures})
        if self.rank == 0:
            self._see_sent()  # Ray keeps no order among calls of an asynchronous actor
            self._sent = self._setup.switchboard.emit.remote(self._setup.lane, message)

    def should_stop(self) -> bool:
        """Whether the trial was cancelled; all ranks get rank 0's answer.

        Rank 0 stands back here while anything else on its node measures. The first question marks
        the begin of the trial's training: what comes before it may measure, and wait for others
        that do.
        """
        if self.rank == 0:
            self._stand_back()
        unfit = {} if self._watch is None else self._watch.unfit()
        if unfit:  # the other ranks wait for this one until Ray ends them all
            self._training.close()
            raise _LeaveLane(unfit)
        if self._cancelled is not None and not self._stop:
            self._stop = bool(ray.wait([self._cancelled], timeout=0)[0])
        ask = self._notices.due()
        if self._group is not None:
            flags = torch.tensor([self._stop, ask], dtype=torch.uint8)
            dist.broadcast(flags, src=0, group=self._group)
            self._stop, ask = (bool(flag) for flag in flags.tolist())
        if ask:
            self._notices.ask()
        return self._stop

    def preemption_noticed(self) -> bool:
        """Whether Ray said that a machine of this lane goes; equal on all ranks."""
        return self._notices.heard

    def measuring(self) -> AbstractContextManager[bool]:
        """Hold everything else on this node still; the body learns whether that was reached."""
        return self._quiet.measuring()

    def energy_joules(self) -> float | None:
        """Return what this rank's device has used since it was first asked, J; None: unknown."""
        return None if self._setup.energy is None else self._setup.energy(self.device.index)

    def close(self, done: TrialDone) -> None:
        """Report the end and wait until the switchboard has heard everything."""
        self._training.close()
        self.report(done)
        self._see_sent()

    def _see_sent(self) -> None:
        """Wait until the switchboard has the message before, if there was one."""
        if self._sent is not None:
            ray.get(self._sent)

    def _stand_back(self) -> None:
        if not self._in_training:
            self._training.enter_context(self._quiet.training())
            self._in_training = True
        self._quiet.yield_if_measuring()


def _gather(value: object, group: dist.ProcessGroup | None) -> list[Any]:
    """Return the values of all ranks, which call this together; this one's alone for None."""
    if group is None:
        return [value]
    values: list[Any] = [None] * dist.get_world_size(group)
    dist.all_gather_object(values, value, group=group)
    return values


def _control_group() -> dist.ProcessGroup:
    """Return a group for the ranks' agreements, on the CPU also where gradients go over NCCL."""
    return cast("dist.ProcessGroup", dist.new_group(backend="gloo"))


def _real_runner() -> TrialRunner:
    # A lane that runs something else need not load the models.
    from trainables.distillation.lesson import run_teacher  # noqa: PLC0415
    from trainables.trial import run_trial  # noqa: PLC0415

    def run(task: LaneTask, session: TrialSession) -> TrialDone:
        if isinstance(task, TeacherTask):
            return run_teacher(task, session)
        return run_trial(task, session)

    return run
