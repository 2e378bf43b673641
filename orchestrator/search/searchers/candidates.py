"""Pool of candidates: some random, some near the best trials."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from orchestrator.search.searchers.encoding import from_unit, to_unit
from search_spaces.domains import Categorical

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from orchestrator.search.searchers.encoding import Encoder
    from orchestrator.search.searchers.tried_configs import TriedConfigs
    from search_spaces.space import Config, SearchSpace

POOL_SIZE = 256
RANDOM_PER_TRIAL = 16
NEAR_PER_TRIAL = 16
TRIALS_IN_POOL = POOL_SIZE // (RANDOM_PER_TRIAL + NEAR_PER_TRIAL)
"""Trials whose candidates fill a pool if all keep the constraints."""
WIDTHS = (0.15, 0.05)
"""Standard deviations of a changed number, in units of its range; one is drawn."""


class CandidatePool:
    """Keeps the latest candidates with their vectors, so that each is encoded once."""

    def __init__(self, space: SearchSpace, encoder: Encoder, tried: TriedConfigs) -> None:
        self._space = space
        self._encoder = encoder
        self._tried = tried
        self.configs: list[Config] = []
        """Candidates, the oldest first; all keep the constraints on known metrics."""
        self.known: list[Mapping[str, float]] = []
        """Each candidate's metrics that need no training."""
        self._vectors: list[NDArray[np.float64]] = []

    @property
    def vectors(self) -> NDArray[np.float64]:
        """The encoded candidates, n x d."""
        return np.array(self._vectors)

    def refresh(self, rng: np.random.Generator, parents: Sequence[Config]) -> None:
        """Add new candidates, half of them near ``parents``; drop the oldest of a full pool."""
        self._add(self._space.sample(rng) for _ in range(RANDOM_PER_TRIAL))
        if parents:
            self._add(
                neighbour(
                    self._space,
                    parents[int(rng.integers(len(parents)))],
                    rng,
                    width=WIDTHS[int(rng.integers(len(WIDTHS)))],
                )
                for _ in range(NEAR_PER_TRIAL)
            )
        surplus = max(0, len(self.configs) - POOL_SIZE)
        del self.configs[:surplus], self.known[:surplus], self._vectors[:surplus]

    def _add(self, configs: Iterable[Config]) -> None:
        for config in configs:
            known = self._tried.feasible_metrics(config)
            if known is None:
                continue
            self.configs.append(config)
            self.known.append(known)
            self._vectors.append(self._encoder.encode(config, known))


def neighbour(
    space: SearchSpace, config: Config, rng: np.random.Generator, *, width: float
) -> Config:
    """Return a configuration that differs from ``config`` in a few active dimensions.

    A changed number moves by a normal step of ``width`` times its range. A changed category, and a
    dimension that becomes active, is drawn from its domain.
    """
    rate = max(1.5 / max(1, len(config)), 0.25)
    changed: Config = {}
    for dimension in space:
        if not dimension.when.holds(changed):
            continue
        name, domain = dimension.name, dimension.domain
        if name in config and rng.random() > rate:
            changed[name] = config[name]
        elif name not in config or isinstance(domain, Categorical):
            changed[name] = domain.sample(rng)
        else:
            moved = to_unit(domain, config[name]) + width * float(rng.standard_normal())
            changed[name] = from_unit(domain, moved)
    return changed
