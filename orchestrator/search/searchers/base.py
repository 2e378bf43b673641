"""The interface of searchers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from orchestrator.ledger.events import SweepEvent
    from search_spaces.space import Config


class Searcher(Protocol):
    """Proposes configurations.

    All state comes from ``observe``: a searcher that observes a ledger's events has the state of
    the one that proposed them. ``propose`` changes no state; its randomness depends only on the
    sweep's seed and ``number``.
    """

    def propose(self, number: int) -> Config | None:
        """Return a new configuration; None when every configuration has been tried."""

    def observe(self, event: SweepEvent) -> None:
        """Update the state by one event; events come in ledger order, each once."""
