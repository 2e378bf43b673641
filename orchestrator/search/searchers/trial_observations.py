"""Learning curves and costs of all trials, as the surrogate model reads them."""

from __future__ import annotations

import bisect
import itertools
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.ledger.events import (
    EpochReported,
    TrialAsked,
    TrialEnded,
    TrialJudged,
    TrialProfiled,
    TrialStarted,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.search.searchers.encoding import Encoder
    from orchestrator.spec.objectives import Objective
    from search_spaces.space import Config

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
