"""No early stopping."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.search.schedulers.base import CONTINUE, Decision

if TYPE_CHECKING:
    from orchestrator.ledger.events import SweepEvent


class NoStopping:
    """Lets every trial train to its end."""

    def observe(self, event: SweepEvent) -> None:
        """Take no note of anything."""

    def decide(self, trial_id: str) -> Decision:  # noqa: ARG002
        """Let the trial go on."""
        return CONTINUE

    def promote(self) -> str | None:
        """Return None, as nothing is ever paused."""
        return None
