"""Learning curves of all trials, and the surrogate model that predicts their ends."""

from __future__ import annotations

import bisect
import itertools
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from orchestrator.ledger.events import (
    EpochReported,
    TrialAsked,
    TrialEnded,
    TrialJudged,
    TrialProfiled,
    TrialStarted,
)
from orchestrator.search.searchers.gaussian_process import Hyperparameters, Inputs, Posterior, fit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.search.searchers.encoding import Encoder
    from orchestrator.spec.objectives import Objective
    from search_spaces.space import Config

    Array = NDArray[np.float64]


FAILED_STATES = ("failed", "infeasible")


@dataclass(slots=True)
class ObservedTrial:
    """One trial; its curve objective is minimised."""

    number: int
    """Place in the order of proposal, trials of earlier sweeps first."""
    config: Config
    vector: NDArray[np.float64]
    """The encoded configuration."""
    metrics: dict[str, float]
    """All reported metrics without a learning curve: costs, final figures."""
    curve: dict[int, float] = field(default_factory=dict)
    """Best value so far by reported epoch."""
    epoch: int = 0
    failed: bool = False
    started: float | None = None
    """Second of the sweep of its first start; None before."""
    epoch_seconds: float = math.nan
    """Duration of the first epoch in seconds: as reported, else since the start."""

    @property
    def best(self) -> float:
        """Best value so far; inf before the first epoch."""
        return self.curve[self.epoch] if self.epoch else math.inf

    @property
    def sort_key(self) -> tuple[int, float, int]:
        """Order by most epochs, then best value, then age."""
        return (-self.epoch, self.best, self.number)


class TrialObservations:
    """Keeps all trials, sorted as the surrogate model needs them.

    An event costs a bisection, so that observing stays cheap in large sweeps. Events of unknown
    trials are ignored. A NaN value marks its trial as failed.
    """

    def __init__(self, encoder: Encoder, curve_objective: Objective) -> None:
        self._encoder = encoder
        self._objective = curve_objective.name
        self._sign = -1.0 if curve_objective.direction == "maximize" else 1.0
        self.trials: dict[str, ObservedTrial] = {}
        """Every trial by its id, in order of proposal."""
        self.observed: list[ObservedTrial] = []
        """Trials with an epoch or a failure, in order of their first."""
        self._running: dict[str, ObservedTrial] = {}
        self._sorted: list[tuple[tuple[int, float, int], ObservedTrial]] = []

    def observe(self, event: SweepEvent) -> None:
        """Update the state by one event; events come in ledger order, each once."""
        if isinstance(event, TrialAsked):
            self._add(event)
            return
        trial = self.trials.get(event.trial_id)
        if trial is None:
            return
        match event:
            case TrialStarted():
                self._running[event.trial_id] = trial
                trial.started = event.seconds if trial.started is None else trial.started
            case TrialProfiled():
                trial.metrics.update(event.metrics)
            case EpochReported():
                self._report(trial, event)
            case TrialJudged() if event.action == "pause":
                self._running.pop(event.trial_id, None)
            case TrialEnded():
                self._running.pop(event.trial_id, None)
                self._end(trial, event)
            case _:
                pass

    @property
    def running(self) -> list[ObservedTrial]:
        """Trials that are neither paused nor ended, in order of proposal."""
        return sorted(self._running.values(), key=lambda trial: trial.number)

    def longest(self, count: int) -> list[ObservedTrial]:
        """Return the ``count`` trials with most epochs, the better first among equals."""
        return [trial for _, trial in self._sorted[:count]]

    def training_set(self, count: int) -> list[ObservedTrial]:
        """Return at most ``count`` observed trials: half with most epochs, half the latest."""
        if len(self.observed) <= count:
            return list(self.observed)
        longest = self.longest(count // 2)
        numbers = {trial.number for trial in longest}
        latest = (trial for trial in reversed(self.observed) if trial.number not in numbers)
        return longest + list(itertools.islice(latest, count - len(longest)))

    def _add(self, event: TrialAsked) -> None:
        trial = ObservedTrial(
            len(self.trials),
            event.config,
            self._encoder.encode(event.config, event.known),
            dict(event.known),
        )
        self.trials[event.trial_id] = self._running[event.trial_id] = trial

    def _report(self, trial: ObservedTrial, event: EpochReported) -> None:
        value = self._sign * event.metrics.get(self._objective, math.nan)
        if math.isnan(value):
            self._fail(trial)
            return
        if trial.epoch:
            position = bisect.bisect_left(self._sorted, trial.sort_key, key=lambda entry: entry[0])
            del self._sorted[position]
        elif not trial.failed:
            self.observed.append(trial)
        trial.curve[event.epoch] = min(value, trial.best)
        trial.epoch = event.epoch
        if event.epoch == 1 and trial.started is not None:
            since_start = event.seconds - trial.started
            trial.epoch_seconds = event.metrics.get("epoch_seconds", since_start)
        bisect.insort(self._sorted, (trial.sort_key, trial), key=lambda entry: entry[0])

    def _end(self, trial: ObservedTrial, event: TrialEnded) -> None:
        trial.metrics.update({n: v for n, v in event.metrics.items() if n != self._objective})
        if event.state in FAILED_STATES:
            self._fail(trial)

    def _fail(self, trial: ObservedTrial) -> None:
        if not trial.failed and not trial.epoch:
            self.observed.append(trial)
        trial.failed = True


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
