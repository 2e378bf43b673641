"""No early stopping."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.search.schedulers.base import CONTINUE, Decision

if TYPE_CHECKING:
    from orchestrator.ledger.events import SweepEvent


class NoStopping:
    """Continues every trial to full training."""

    def observe(self, event: SweepEvent) -> None:
        """Ignore the event."""

    def decide(self, trial_id: str) -> Decision:  # noqa: ARG002
        """Return the decision to continue."""
        return CONTINUE

    def promote(self) -> str | None:
        """Return None, as no trial is ever paused."""
        return None
