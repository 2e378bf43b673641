"""All that a lane asks of Ray: its rank, its device, preemption notices, the trial broker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ray
import ray.train
import ray.train.torch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import torch

    from trainables.session.messages import LaneTask, TrialMessage


def rank_and_world_size() -> tuple[int, int]:
    """Return the rank of this worker and the number of ranks of its lane."""
    context = ray.train.get_context()
    return context.get_world_rank(), context.get_world_size()


def worker_device() -> torch.device:
    """Return the device that Ray Train assigned to this worker."""
    return ray.train.torch.get_device()


def is_preemption_noticed() -> bool:
    """Whether a node of the lane will be taken away; a collective of all ranks."""
    return ray.train.get_preemption_info() is not None


class BrokerClient:
    """Calls of one lane to the trial broker."""

    def __init__(self, actor: Any, lane: str) -> None:  # noqa: ANN401 - a Ray actor handle
        self._actor = actor
        self._lane = lane
        self._sent: Any = None

    def announce(self, location: Mapping[str, object]) -> None:
        """Report that the lane is up at ``location``; the identity of its node is added."""
        node_id = ray.get_runtime_context().get_node_id()
        ray.get(self._actor.announce.remote(self._lane, {"node_id": node_id, **location}))

    def take(self, timeout_s: float, memory_mb: float | None) -> LaneTask | str:
        """Return the next task, or ``idle`` or ``close``; see ``TrialBroker.take``."""
        order: LaneTask | str = ray.get(self._actor.take.remote(self._lane, timeout_s, memory_mb))
        return order

    def emit(self, message: TrialMessage) -> None:
        """Send ``message`` without waiting for its delivery."""
        self.flush()  # Ray keeps no order among the calls of an asynchronous actor
        self._sent = self._actor.emit.remote(self._lane, message)

    def flush(self) -> None:
        """Wait until the last message is delivered."""
        if self._sent is not None:
            ray.get(self._sent)

    def cancellation(self, trial_id: str) -> Callable[[], bool]:
        """Return a function that returns, without waiting, whether the trial is cancelled."""
        cancelled = self._actor.wait_cancelled.remote(trial_id)
        return lambda: bool(ray.wait([cancelled], timeout=0)[0])

    def ban(self, devices: dict[str, str]) -> None:
        """Ban devices, given as identity to reason."""
        ray.get(self._actor.ban.remote(devices))

    def notice_received(self) -> None:
        """Report a preemption notice, without waiting."""
        self._actor.notice_received.remote(self._lane)
