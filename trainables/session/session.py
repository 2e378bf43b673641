"""The interface between a trial and the process group that runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

    import torch

    from trainables.session.messages import TrialMessage


class TrialSession(Protocol):
    """What a trial may call while it runs; every rank holds one."""

    rank: int
    """Rank of this process, 0 first."""
    world_size: int
    """Number of processes that train the trial together."""
    device: torch.device
    """Device of this rank."""

    def report(self, message: TrialMessage) -> None:
        """Send ``message``; messages of ranks other than 0 are dropped."""

    def synchronize(self) -> None:
        """Receive stop requests and preemption notices; agree on them with the other ranks.

        Called by all ranks at the same steps. Blocks while another process of the node measures.
        """

    def should_stop(self) -> bool:
        """Whether a stop was requested by the last ``synchronize``; equal on all ranks."""

    def measuring(self, *, pause: bool = True) -> AbstractContextManager[object]:
        """Wait for earlier measurements of this node, and pause its trainings in the block.

        Without ``pause``, for a measurement on another device, the trainings continue. The value is
        False where trainings did not pause in time, else True or None.
        """


@runtime_checkable
class ReceivesNotices(Protocol):
    """Optional part of a session, where nodes are preempted with a notice."""

    def preemption_noticed(self) -> bool:
        """Whether a notice was received by the last ``synchronize``; equal on all ranks.

        The trial saves its state at once, and often from then on.
        """


@runtime_checkable
class MetersEnergy(Protocol):
    """Optional part of a session, where devices have energy counters."""

    def energy_joules(self) -> float | None:
        """Return the energy counter of this rank's device, J; None where it has none."""


class DeviceMonitor(Protocol):
    """Monitors the devices of a lane."""

    def take(self) -> dict[str, float]:
        """Return metrics of the devices since the last call, by their MLflow names."""

    def combine(self, figures: Sequence[Mapping[str, float]]) -> dict[str, float]:
        """Return the metrics of a lane from the results of ``take`` on its ranks."""

    def unfit(self) -> dict[str, str]:
        """Return the reason for each device that is unfit to train on, by its identity."""

    def close(self) -> None:
        """Stop monitoring."""
