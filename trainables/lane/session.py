"""A trial's view of the lane it runs on."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import ray
import torch
import torch.distributed as dist

from trainables.lane.agreement import gather
from trainables.session.messages import EpochDone

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from trainables.cost.quiet import QuietNode
    from trainables.lane.notices import Notices
    from trainables.lane.setup import LaneSetup
    from trainables.session.messages import LaneTask, TrialDone, TrialMessage
    from trainables.session.session import LaneWatch


class LeaveLane(BaseException):
    """Ends a trial in mid-step without a word on how it went.

    Attributes:
        unfit: Why devices are not to be used any more, by their identity.
    """

    def __init__(self, unfit: dict[str, str]) -> None:
        super().__init__("; ".join(f"{device}: {why}" for device, why in unfit.items()))
        self.unfit = unfit


class LaneSession:
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
        notices: Notices,
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
            figures = self._watch.combine(gather(self._watch.take(), self._group))
            message = replace(message, metrics={**message.metrics, **figures})
        if self.rank == 0:
            self._see_sent()  # Ray keeps no order among calls of an asynchronous actor
            self._sent = self._setup.switchboard.emit.remote(self._setup.lane, message)

    def synchronize(self) -> None:
        """Broadcast rank 0's stop request and poll for a preemption notice on all ranks.

        Rank 0 blocks here while another process of its node measures. The first call marks the
        start of training: before it, the trial itself may measure.

        Raises:
            LeaveLane: a device of this rank is unfit.
        """
        if self.rank == 0:
            self._stand_back()
        unfit = {} if self._watch is None else self._watch.unfit()
        if unfit:  # the other ranks wait for this one until Ray ends them all
            self._training.close()
            raise LeaveLane(unfit)
        if self._cancelled is not None and not self._stop:
            self._stop = bool(ray.wait([self._cancelled], timeout=0)[0])
        ask = self._notices.due()
        if self._group is not None:
            flags = torch.tensor([self._stop, ask], dtype=torch.uint8)
            dist.broadcast(flags, src=0, group=self._group)
            self._stop, ask = (bool(flag) for flag in flags.tolist())
        if ask:
            self._notices.ask()

    def should_stop(self) -> bool:
        """Whether the trial was cancelled, as of the last ``synchronize``; equal on all ranks."""
        return self._stop

    def preemption_noticed(self) -> bool:
        """Whether Ray said that a machine of this lane goes; equal on all ranks."""
        return self._notices.heard

    def measuring(self, *, pause: bool = True) -> AbstractContextManager[bool]:
        """Wait for a turn to measure; the value is whether the node's trainings paused in time."""
        return self._quiet.measuring(pause=pause)

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
