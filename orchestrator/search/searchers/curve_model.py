"""What a configuration will reach at full training, learned from all learning curves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from orchestrator.search.searchers.gaussian_process import Hyperparameters, Inputs, Posterior, fit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from orchestrator.search.searchers.encoding import Encoder
    from orchestrator.search.searchers.trial_observations import ObservedTrial, TrialObservations

    Array = NDArray[np.float64]

TRIALS = 160
"""Trials the model looks at; beyond that the deepest and the latest are chosen."""
TRIALS_IN_FIT = 120
FIRST_FIT = 10
FIT_GROWTH = 1.25
"""Hyperparameters are fitted anew when there are so many times as many trials."""
FIT_STEPS = 15
PAIRED = 60
"""Deepest trials of which earlier points of the curve are looked at, too."""
PAIRED_STEP = 2
ASSUMED_CEILING = 0.8
"""Quantile of what was seen above which nothing counts, where there is no reference point."""


@dataclass(frozen=True, slots=True)
class OutlierWarp:
    """Leaves good values alone, draws bad ones together, so that a failure teaches no more."""

    threshold: float
    scale: float

    @classmethod
    def of(cls, values: Array) -> OutlierWarp:
        """Return the one that leaves the better part of ``values`` alone, less being better."""
        good, middle = np.quantile(values, [0.1, 0.5])
        scale = max(float(middle - good), 1e-9)
        return cls(float(middle) + scale, scale)

    def __call__(self, values: Array) -> Array:
        """Return the warped values; infinite ones stay infinite."""
        beyond = np.maximum(values - self.threshold, 0.0) / self.scale
        warped: Array = np.minimum(values, self.threshold) + self.scale * np.log1p(beyond)
        return warped


@dataclass(frozen=True, slots=True)
class Outlook:
    """A posterior asked at full training."""

    posterior: Posterior

    def predict_final(self, vectors: Array) -> tuple[Array, Array]:
        """Return mean and standard deviation of warped final values, one a row."""
        return self.posterior.predict(Inputs.at_end(vectors))

    def predict_end(self, trial: ObservedTrial) -> tuple[Array, Array]:
        """Return the same of a trial, whose own curve tells of it, too; arrays of one."""
        return self.posterior.predict(Inputs.at_end(trial.vector[None], [trial.number]))


class CurveModel:
    """Predicts final values, warped; less is better."""

    def __init__(self, encoder: Encoder, memory: TrialObservations, *, max_epochs: int) -> None:
        self._groups = encoder.groups
        self._memory = memory
        self._log_epochs = math.log(max_epochs) if max_epochs > 1 else 1.0
        self._hyperparameters = Hyperparameters.initial(int(encoder.groups.max(initial=-1)) + 1)
        self._fit_at = FIRST_FIT
        self._rows: tuple[Inputs, Array, OutlierWarp] | None = None

    @property
    def observations(self) -> int:
        """Number of trials with an epoch or a failure."""
        return len(self._memory.seen)

    def invalidate(self) -> None:
        """Forget what was worked out before the last event."""
        self._rows = None

    def fit_if_due(self) -> None:
        """Fit the hyperparameters when there are enough new trials since the last time."""
        if self.observations >= self._fit_at:
            inputs, y, _ = self._data(TRIALS_IN_FIT)
            start = self._hyperparameters
            self._hyperparameters = fit(inputs, y, self._groups, start, steps=FIT_STEPS)
            self._fit_at = max(self.observations + 3, math.ceil(FIT_GROWTH * self.observations))

    def warp(self, values: Array) -> Array:
        """Return ``values`` on the model's scale."""
        return self._current()[2](values)

    def ceiling(self, reference: float | None) -> float:
        """Return the warped value above which nothing counts."""
        _, y, warp = self._current()
        if reference is None:
            return float(np.quantile(y, ASSUMED_CEILING))
        return float(warp(np.array([reference]))[0])

    def posterior_with_pending(self, running: Sequence[ObservedTrial]) -> tuple[Outlook, Array]:
        """Return the outlook if running trials end as expected, with what they are to reach.

        Source: Ginsbourger, Le Riche, Carraro 2010, the kriging believer.
        """
        inputs, y, _ = self._current()
        posterior = Posterior(inputs, y, self._groups, self._hyperparameters)
        if not running:
            return Outlook(posterior), np.empty(0)
        vectors = np.array([trial.vector for trial in running])
        ends = Inputs.at_end(vectors, [trial.number for trial in running])
        means = posterior.predict_mean(ends)
        after = Posterior(inputs + ends, np.append(y, means), self._groups, self._hyperparameters)
        return Outlook(after), means

    def _current(self) -> tuple[Inputs, Array, OutlierWarp]:
        if self._rows is None:
            self._rows = self._data(TRIALS)
        return self._rows

    def _data(self, count: int) -> tuple[Inputs, Array, OutlierWarp]:
        chosen = self._memory.chosen(count)
        rows = [(trial, trial.epoch) for trial in chosen if trial.epoch]
        for trial in self._memory.deepest(PAIRED):
            rows += [(trial, epoch) for epoch in self._earlier(trial)]
        y = np.array([trial.curve[epoch] for trial, epoch in rows])
        failed = [trial for trial in chosen if trial.failed and not trial.epoch]
        worst = float(y.max()) if rows else 1.0
        y = np.append(y, np.full(len(failed), worst))
        rows += [(trial, 1) for trial in failed]
        warp = OutlierWarp.of(y)
        times = np.log([epoch for _, epoch in rows]) / self._log_epochs
        vectors = np.array([trial.vector for trial, _ in rows])
        numbers = np.array([trial.number for trial, _ in rows], dtype=np.intp)
        return Inputs(vectors, times, numbers), warp(y), warp

    @staticmethod
    def _earlier(trial: ObservedTrial) -> list[int]:
        epochs, epoch = [], 1
        while epoch < 0.7 * trial.epoch:
            if epoch in trial.curve:
                epochs.append(epoch)
            epoch *= PAIRED_STEP
        return epochs
