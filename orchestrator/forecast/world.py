"""A world in which a sweep can be simulated before it is run."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from orchestrator.forecast.beliefs import START, cost_row, feature_row
from orchestrator.forecast.simulation.curves import decay
from orchestrator.search.searchers.encoding import Encoder
from search_spaces.space import config_digest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from orchestrator.forecast.beliefs import Beliefs
    from orchestrator.spec.objectives import Objective
    from search_spaces.space import Config, SearchSpace

EPOCH_NOISE = 0.01
"""Standard deviation of the mIoU from epoch to epoch."""


class World:
    """Trainings as they may turn out; one draw of all that is not known.

    Implements ``orchestrator.forecast.simulation.Benchmark``. Objectives besides mIoU that are
    neither a static cost nor the latency have no cost here and are left out.
    """

    def __init__(
        self,
        beliefs: Beliefs,
        objectives: Sequence[Objective],
        reference_point: Mapping[str, float],
        *,
        seed: int,
    ) -> None:
        """Draw the weights of all lines from ``seed``."""
        rng = np.random.default_rng((7, seed))
        self._beliefs = beliefs
        self._encoder = Encoder(beliefs.space)
        self._miou = beliefs.miou.drawn(rng)
        self._seconds = beliefs.seconds.drawn(rng)
        self._latency = beliefs.latency.drawn(rng)
        self._half_life = beliefs.half_life * math.exp(0.3 * rng.standard_normal())
        self.objectives = tuple(objectives)
        self.reference_point = reference_point
        self.max_epochs = beliefs.setting.epochs
        self.full_training_seconds = 1.0

    @property
    def space(self) -> SearchSpace:
        """What may be tried."""
        return self._beliefs.space

    @property
    def measurement_seconds(self) -> float:
        """Time of a trial on its lane besides the epochs, seconds."""
        return self._beliefs.other_seconds

    def known(self, config: Config) -> dict[str, float]:
        """Return the static costs."""
        return dict(self._beliefs.static(config))

    def measured(self, config: Config) -> dict[str, float]:
        """Return the latency that the trial measures."""
        noise = self._luck(config_digest(config), 1).standard_normal() * self._beliefs.latency.noise
        row = cost_row(self._beliefs.static(config)["macs"])
        return {"latency_ms": math.exp(float(np.dot(self._latency, row)) + noise)}

    def curve(self, config: Config, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the mIoU after each epoch and the seconds to there, the rest of a trial first."""
        luck = self._luck(config_digest(config), seed)
        macs = self.known(config)["macs"]
        final = float(feature_row(self._encoder, self._inside(config), macs) @ self._miou)
        final += luck.standard_normal() * self._beliefs.miou.noise
        epochs = self.max_epochs
        clean = decay(
            start=START,
            final=min(max(final, START), 0.95),
            epochs=epochs,
            half_life=self._half_life * epochs * math.exp(0.3 * luck.standard_normal()),
        )
        each = math.exp(
            float(np.dot(self._seconds, cost_row(macs)))
            + luck.standard_normal() * self._beliefs.seconds.noise
        )
        values = np.clip(clean + EPOCH_NOISE * luck.standard_normal(epochs), 0.0, 1.0)
        return values, self._beliefs.other_seconds + each * np.arange(1.0, epochs + 1)

    def _inside(self, config: Config) -> Config:
        """Return what the space knows of a configuration; all of it but for baselines outside."""
        names = self.space.names
        return {
            name: value
            for name, value in config.items()
            if name in names and self.space[name].domain.contains(value)
        }

    @staticmethod
    def _luck(digest: str, seed: int) -> np.random.Generator:
        return np.random.default_rng((int(digest, 16), seed))
