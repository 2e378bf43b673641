"""The contract every searcher keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from orchestrator.ledger.events import SweepEvent
    from search_spaces.space import Config


class Searcher(Protocol):
    """Proposes configurations from what it has observed.

    All state comes from ``observe``: a searcher fed with a ledger's events stands where the one
    that wrote them stood. ``propose`` changes nothing; its randomness comes from the sweep's seed
    and ``number`` alone.
    """

    def propose(self, number: int) -> Config | None:
        """Return a configuration no trial has had yet; None when the space has no further one."""

    def observe(self, event: SweepEvent) -> None:
        """Take note of one event; events come in ledger order, each once."""
