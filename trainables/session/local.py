"""A trial's session in the calling process, without a cluster."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from trainables.session.messages import TrialMessage


def _never() -> bool:
    return False


@dataclass(kw_only=True)
class LocalSession:
    """Rank 0 of 1, which keeps all messages; a ``TrialSession``."""

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    """Device to train on."""
    on_message: Callable[[TrialMessage], None] | None = None
    """Called with each message; None calls nothing."""
    stop: Callable[[], bool] = _never
    """Called by each ``synchronize``: whether the trial must end."""
    messages: list[TrialMessage] = field(default_factory=list)
    """All messages so far."""
    rank: int = 0
    """Rank of this process."""
    world_size: int = 1
    """Number of processes that train together."""
    _stopped: bool = field(default=False, init=False)

    def report(self, message: TrialMessage) -> None:
        """Keep ``message`` and pass it to ``on_message``."""
        self.messages.append(message)
        if self.on_message is not None:
            self.on_message(message)

    def synchronize(self) -> None:
        """Evaluate ``stop``."""
        self._stopped = self.stop()

    def should_stop(self) -> bool:
        """Whether ``stop`` returned True at the last ``synchronize``."""
        return self._stopped

    def measuring(self, *, pause: bool = True) -> AbstractContextManager[None]:  # noqa: ARG002
        """Return at once: no other training of ours runs here."""
        return nullcontext()
