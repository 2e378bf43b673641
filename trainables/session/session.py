"""The seam between a trial and the process group that runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

    import torch

    from trainables.session.messages import TrialMessage


class TrialSession(Protocol):
    """What a trial may ask of its surroundings; every rank holds one."""

    rank: int
    """Rank of this process, 0 first."""
    world_size: int
    """Number of processes that train the trial together."""
    device: torch.device
    """Device of this rank."""

    def report(self, message: TrialMessage) -> None:
        """Hand ``message`` on; only rank 0's is passed, the others' are dropped."""

    def synchronize(self) -> None:
        """Receive stop requests and preemption notices; agree on them with the other ranks.

        Called by all ranks at the same steps. Blocks while another process of the node measures.
        """

    def should_stop(self) -> bool:
        """Whether a stop was requested by the last ``synchronize``; equal on all ranks."""

    def measuring(self, *, pause: bool = True) -> AbstractContextManager[object]:
        """Wait for a turn to measure a latency, and pause the trainings of this node meanwhile.

        Without ``pause``, for a measurement on another device, the trainings continue. The value is
        False where trainings did not pause in time, else True or None.
        """


@runtime_checkable
class ReceivesNotices(Protocol):
    """What a session may offer besides, where machines are taken away with a notice."""

    def preemption_noticed(self) -> bool:
        """Whether a notice was received by the last ``synchronize``; equal on all ranks.

        The trial saves its state at once, and often from then on.
        """


@runtime_checkable
class MetersEnergy(Protocol):
    """What a session may offer besides, where the devices tell how much energy they use."""

    def energy_joules(self) -> float | None:
        """Energy this rank's device has used since a fixed moment, J; None: not known."""


class DeviceMonitor(Protocol):
    """Watches the devices of a lane."""

    def take(self) -> dict[str, float]:
        """Return figures of the devices since the last call, by the names they are kept under."""

    def combine(self, figures: Sequence[Mapping[str, float]]) -> dict[str, float]:
        """Return the figures of a lane from what ``take`` returned on each of its ranks."""

    def unfit(self) -> dict[str, str]:
        """Return why devices of the lane are not to be used any more, by their identity."""

    def close(self) -> None:
        """End it."""
