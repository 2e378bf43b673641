"""Random search over a conditional space."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from orchestrator.ledger.events import TrialAsked

if TYPE_CHECKING:
    from orchestrator.ledger.events import SweepEvent
    from orchestrator.search.searchers.base import TriedConfigs
    from search_spaces.space import Config


class RandomSearcher:
    """Proposes random samples of the space, none twice."""

    def __init__(self, tried: TriedConfigs, *, seed: int) -> None:
        self._tried = tried
        self._seed = seed

    def propose(self, number: int) -> Config | None:
        """Return a new random configuration; None when every configuration has been tried."""
        return self._tried.sample_new(np.random.default_rng((self._seed, number)))

    def observe(self, event: SweepEvent) -> None:
        """Record the configurations that have a trial."""
        if isinstance(event, TrialAsked):
            self._tried.add(event.config)
