"""Surrogate model: predicts the curve objective at full training from all learning curves."""

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
"""Trials that the posterior conditions on, at most: its cost grows with their cube."""
TRIALS_IN_FIT = 120
"""Trials that the hyperparameters are fitted to, at most."""
FIRST_FIT = 10
"""Observed trials at the first fit."""
FIT_GROWTH = 1.25
"""Growth of the number of observed trials between two fits."""
FIT_STEPS = 15
"""Iterations of L-BFGS-B in a fit."""
CURVE_TRIALS = 60
"""Trials with most epochs whose earlier epochs enter the model, too."""
CURVE_STEP = 2
"""Factor between two of those epochs."""
REFERENCE_QUANTILE = 0.8
"""Quantile of observed values that is the reference value where none is given."""


@dataclass(frozen=True, slots=True)
class OutlierWarp:
    """Compresses bad values logarithmically, so that outliers do not dominate the fit.

    Minimised values up to the threshold stay as they are. The warp is monotone, with slope 1 at the
    threshold. The choice of the threshold was measured in docs/adr/0007.
    """

    threshold: float
    scale: float

    @classmethod
    def of(cls, values: Array) -> OutlierWarp:
        """Return the warp of n minimised ``values`` that leaves the better part as it is."""
        good, median = np.quantile(values, [0.1, 0.5])
        scale = max(float(median - good), 1e-9)
        return cls(float(median) + scale, scale)

    def __call__(self, values: Array) -> Array:
        """Return the warped values; inf stays inf."""
        beyond = np.maximum(values - self.threshold, 0.0) / self.scale
        warped: Array = np.minimum(values, self.threshold) + self.scale * np.log1p(beyond)
        return warped


class CurveModel:
    """Gaussian process over configurations and epochs; its values are minimised and warped."""

    def __init__(
        self, encoder: Encoder, observations: TrialObservations, *, max_epochs: int
    ) -> None:
        self._groups = encoder.groups
        self._observations = observations
        self._log_epochs = math.log(max_epochs) if max_epochs > 1 else 1.0
        self._hyperparameters = Hyperparameters.initial(int(encoder.groups.max(initial=-1)) + 1)
        self._fit_at = FIRST_FIT
        self._rows: tuple[Inputs, Array, OutlierWarp] | None = None

    def invalidate(self) -> None:
        """Drop the cached training data, which an event has changed."""
        self._rows = None

    def fit_if_due(self) -> None:
        """Fit the hyperparameters if enough trials were observed since the last fit."""
        observed = len(self._observations.observed)
        if observed >= self._fit_at:
            inputs, y, _ = self._data(TRIALS_IN_FIT)
            start = self._hyperparameters
            self._hyperparameters = fit(inputs, y, self._groups, start, steps=FIT_STEPS)
            self._fit_at = max(observed + 3, math.ceil(FIT_GROWTH * observed))

    def warp(self, values: Array) -> Array:
        """Return minimised ``values`` on the model's scale."""
        return self._current()[2](values)

    def reference(self, value: float | None) -> float:
        """Return the warped reference value; None takes a quantile of the observed values."""
        _, y, warp = self._current()
        if value is None:
            return float(np.quantile(y, REFERENCE_QUANTILE))
        return float(warp(np.array([value]))[0])

    def posterior(self, pending: Sequence[ObservedTrial]) -> tuple[Posterior, Array]:
        """Return the posterior given the pending trials' fantasies, and the fantasies.

        A fantasy is the predicted mean at full training, one per pending trial.

        Source: Ginsbourger, Le Riche, Carraro 2010, the kriging believer.
        """
        inputs, y, _ = self._current()
        posterior = Posterior(inputs, y, self._groups, self._hyperparameters)
        if not pending:
            return posterior, np.empty(0)
        vectors = np.array([trial.vector for trial in pending])
        ends = Inputs.at_end(vectors, [trial.number for trial in pending])
        fantasies = posterior.predict_mean(ends)
        y = np.append(y, fantasies)
        return Posterior(inputs + ends, y, self._groups, self._hyperparameters), fantasies

    def _current(self) -> tuple[Inputs, Array, OutlierWarp]:
        if self._rows is None:
            self._rows = self._data(TRIALS)
        return self._rows

    def _data(self, count: int) -> tuple[Inputs, Array, OutlierWarp]:
        """Return inputs and warped values of ``count`` trials; failed ones have the worst value."""
        trials = self._observations.training_set(count)
        rows = [(trial, trial.epoch) for trial in trials if trial.epoch]
        for trial in self._observations.longest(CURVE_TRIALS):
            rows += [(trial, epoch) for epoch in _earlier_epochs(trial)]
        y = np.array([trial.curve[epoch] for trial, epoch in rows])
        failed = [trial for trial in trials if trial.failed and not trial.epoch]
        worst = float(y.max()) if rows else 1.0
        y = np.append(y, np.full(len(failed), worst))
        rows += [(trial, 1) for trial in failed]
        warp = OutlierWarp.of(y)
        times = np.log([epoch for _, epoch in rows]) / self._log_epochs
        vectors = np.array([trial.vector for trial, _ in rows])
        numbers = np.array([trial.number for trial, _ in rows], dtype=np.intp)
        return Inputs(vectors, times, numbers), warp(y), warp


def _earlier_epochs(trial: ObservedTrial) -> list[int]:
    """Return epochs 1, 2, 4, ... of the first 70 % of a trial's curve."""
    epochs, epoch = [], 1
    while epoch < 0.7 * trial.epoch:
        if epoch in trial.curve:
            epochs.append(epoch)
        epoch *= CURVE_STEP
    return epochs
