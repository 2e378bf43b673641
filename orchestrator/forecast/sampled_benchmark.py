"""A benchmark drawn from the model of trainings, for the simulations of a plan."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from orchestrator.forecast.simulation.curves import decay
from orchestrator.forecast.training_model import START, cost_row, feature_row
from orchestrator.search.searchers.encoding import Encoder
from search_spaces.space import config_digest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from orchestrator.forecast.training_model import TrainingModel
    from orchestrator.spec.objectives import Objective
    from search_spaces.space import Config, SearchSpace

EPOCH_NOISE = 0.01
"""Standard deviation of the mIoU from epoch to epoch."""


class SampledBenchmark:
    """One draw of all unknown quantities of the trainings.

    Implements ``orchestrator.forecast.simulation.Benchmark``. Objectives besides mIoU that are
    neither a static cost nor the latency have no cost here and are left out.
    """

    def __init__(
        self,
        model: TrainingModel,
        objectives: Sequence[Objective],
        reference_point: Mapping[str, float],
        *,
        seed: int,
    ) -> None:
        """Draw the weights of all linear models from ``seed``."""
        rng = np.random.default_rng((7, seed))
        self._model = model
        self._encoder = Encoder(model.space)
        self._miou = model.miou.drawn(rng)
        self._seconds = model.seconds.drawn(rng)
        self._latency = model.latency.drawn(rng)
        self._half_life = model.half_life * math.exp(0.3 * rng.standard_normal())
        self.objectives = tuple(objectives)
        self.reference_point = reference_point
        self.max_epochs = model.setting.epochs
        self.full_training_seconds = 1.0

    @property
    def space(self) -> SearchSpace:
        """What may be tried."""
        return self._model.space

    @property
    def measurement_seconds(self) -> float:
        """Time of a trial on its lane besides the epochs, seconds."""
        return self._model.other_seconds

    def known(self, config: Config) -> dict[str, float]:
        """Return the static costs."""
        return dict(self._model.static(config))

    def measured(self, config: Config) -> dict[str, float]:
        """Return the latency that the trial measures."""
        noise = self._luck(config_digest(config), 1).standard_normal() * self._model.latency.noise
        row = cost_row(self._model.static(config)["macs"])
        return {"latency_ms": math.exp(float(np.dot(self._latency, row)) + noise)}

    def curve(self, config: Config, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the mIoU after each epoch and the seconds to there, the rest of a trial first."""
        luck = self._luck(config_digest(config), seed)
        macs = self.known(config)["macs"]
        final = float(feature_row(self._encoder, self._inside(config), macs) @ self._miou)
        final += luck.standard_normal() * self._model.miou.noise
        epochs = self.max_epochs
        clean = decay(
            start=START,
            final=min(max(final, START), 0.95),
            epochs=epochs,
            half_life=self._half_life * epochs * math.exp(0.3 * luck.standard_normal()),
        )
        each = math.exp(
            float(np.dot(self._seconds, cost_row(macs)))
            + luck.standard_normal() * self._model.seconds.noise
        )
        values = np.clip(clean + EPOCH_NOISE * luck.standard_normal(epochs), 0.0, 1.0)
        return values, self._model.other_seconds + each * np.arange(1.0, epochs + 1)

    def _inside(self, config: Config) -> Config:
        """Return the part of a configuration that the space contains; all but for baselines."""
        names = self.space.names
        return {
            name: value
            for name, value in config.items()
            if name in names and self.space[name].domain.contains(value)
        }

    @staticmethod
    def _luck(digest: str, seed: int) -> np.random.Generator:
        return np.random.default_rng((int(digest, 16), seed))
