"""The session of a trial on a lane."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from trainables.session.messages import EpochDone

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from trainables.cost.quiet import QuietNode
    from trainables.lane.preemption import PreemptionNotices
    from trainables.lane.ray_worker import BrokerClient
    from trainables.session.messages import LaneTask, TrialDone, TrialMessage
    from trainables.session.ranks import Ranks
    from trainables.session.session import DeviceMonitor


class LeaveLane(BaseException):
    """Ends a trial in the middle of a step, without a result.

    Attributes:
        unfit: Reason for each unfit device, by its identity.
    """

    def __init__(self, unfit: dict[str, str]) -> None:
        super().__init__("; ".join(f"{device}: {why}" for device, why in unfit.items()))
        self.unfit = unfit


def _never() -> bool:
    return False


def finish_queued_work(device: torch.device) -> None:
    """Block until every kernel that this process queued on ``device`` has run."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


class LaneSession:
    """The session of one trial on one rank of a lane; a ``TrialSession``."""

    def __init__(
        self,
        task: LaneTask,
        broker: BrokerClient,
        *,
        ranks: Ranks,
        device: torch.device,
        quiet: QuietNode,
        notices: PreemptionNotices,
        energy: Callable[[int | None], float | None] | None = None,
        monitor: DeviceMonitor | None = None,
    ) -> None:
        self.rank = ranks.rank
        self.world_size = ranks.world_size
        self.device = device
        self._broker = broker
        self._ranks = ranks
        self._quiet = quiet
        self._notices = notices
        self._energy = energy
        self._monitor = monitor
        self._training = ExitStack()
        self._in_training = False
        self._is_cancelled = broker.cancellation(task.trial_id) if self.rank == 0 else _never
        self._stop = False

    def report(self, message: TrialMessage) -> None:
        """Send ``message`` to the trial broker, from rank 0 alone; all ranks report each epoch."""
        if isinstance(message, EpochDone) and self._monitor is not None:
            figures = self._monitor.combine(self._ranks.gather(self._monitor.take()))
            message = replace(message, metrics={**message.metrics, **figures})
        if self.rank == 0:
            self._broker.emit(message)

    def synchronize(self) -> None:
        """Broadcast rank 0's stop request and poll for a preemption notice on all ranks.

        Rank 0 blocks here while another process of its node measures, after the steps queued on its
        device have run. The queues of the other ranks are then empty up to an optimizer step, as
        every step reduces gradients over all ranks. The first call marks the start of training:
        before it, the trial itself may measure.

        Raises:
            LeaveLane: a device of this rank is unfit.
        """
        if self.rank == 0:
            self._wait_for_measurements()
        unfit = {} if self._monitor is None else self._monitor.unfit()
        if unfit:  # the other ranks block in the broadcast until Ray ends them all
            self._training.close()
            raise LeaveLane(unfit)
        self._stop = self._stop or self._is_cancelled()
        poll = self._notices.is_due()
        if self.world_size > 1:
            flags = torch.tensor([self._stop, poll], dtype=torch.uint8)
            self._stop, poll = (bool(flag) for flag in self._ranks.broadcast(flags).tolist())
        if poll:
            self._notices.poll()

    def should_stop(self) -> bool:
        """Whether the trial was cancelled, as of the last ``synchronize``; equal on all ranks."""
        return self._stop

    def preemption_noticed(self) -> bool:
        """Whether a node of this lane has a preemption notice; equal on all ranks."""
        return self._notices.received

    def measuring(self, *, pause: bool = True) -> AbstractContextManager[bool]:
        """Wait for the node's earlier measurements; the value is whether its trainings paused."""
        if pause:
            finish_queued_work(self.device)
        return self._quiet.measuring(pause=pause)

    def energy_joules(self) -> float | None:
        """Return the energy counter of this rank's device, J; None where it has none."""
        return None if self._energy is None else self._energy(self.device.index)

    def close(self, done: TrialDone) -> None:
        """Report the end and wait until every message is delivered."""
        self._training.close()
        self.report(done)
        self._broker.flush()

    def _wait_for_measurements(self) -> None:
        if not self._in_training:
            self._training.enter_context(self._quiet.training())
            self._in_training = True
        self._quiet.yield_if_measuring(lambda: finish_queued_work(self.device))
