"""What a learning searcher remembers of the trials so far."""

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
    """One trial as the searcher sees it; less of the learned objective is better."""

    number: int
    """Place in the order of proposal, trials of earlier sweeps first."""
    config: Config
    vector: NDArray[np.float64]
    metrics: dict[str, float]
    """Everything reported that is no learning curve: costs, final figures."""
    curve: dict[int, float] = field(default_factory=dict)
    """Best value so far after each reported epoch."""
    epoch: int = 0
    failed: bool = False
    began: float | None = None
    """Second of the sweep at which it was started first; None before."""
    epoch_seconds: float = math.nan
    """Duration of the first epoch, seconds: as it is reported, or since the start."""

    @property
    def best(self) -> float:
        """Best value so far; infinite before the first."""
        return self.curve[self.epoch] if self.epoch else math.inf

    @property
    def rank(self) -> tuple[int, float, int]:
        """Order by depth, then by value, then by age."""
        return (-self.epoch, self.best, self.number)


class TrialObservations:
    """Keeps trials in the orders in which they are asked for; every step costs a bisection."""

    def __init__(self, encoder: Encoder, learned: Objective) -> None:
        self._encoder = encoder
        self._learned = learned.name
        self._sign = -1.0 if learned.direction == "maximize" else 1.0
        self.trials: dict[str, ObservedTrial] = {}
        """Every trial, by identity, in order of proposal."""
        self.seen: list[ObservedTrial] = []
        """Trials with at least one epoch, or a failure, in order of their first."""
        self._running: dict[str, ObservedTrial] = {}
        self._ranked: list[tuple[tuple[int, float, int], ObservedTrial]] = []

    def observe(self, event: SweepEvent) -> None:
        """Take note of one event; trials that are not known are passed over."""
        if isinstance(event, TrialAsked):
            self._begin(event)
            return
        trial = self.trials.get(event.trial_id)
        if trial is None:
            return
        match event:
            case TrialStarted():
                self._running[event.trial_id] = trial
                trial.began = event.seconds if trial.began is None else trial.began
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
        """Trials that hold a lane, in order of proposal."""
        return sorted(self._running.values(), key=lambda trial: trial.number)

    def deepest(self, count: int) -> list[ObservedTrial]:
        """Return the ``count`` trials with most epochs, the better first among equals."""
        return [trial for _, trial in self._ranked[:count]]

    def chosen(self, count: int) -> list[ObservedTrial]:
        """Return at most ``count`` seen trials: one half the deepest, the others the latest."""
        if len(self.seen) <= count:
            return list(self.seen)
        deepest = self.deepest(count // 2)
        held = {trial.number for trial in deepest}
        recent = (trial for trial in reversed(self.seen) if trial.number not in held)
        return deepest + list(itertools.islice(recent, count - len(deepest)))

    def _begin(self, event: TrialAsked) -> None:
        trial = ObservedTrial(
            len(self.trials),
            event.config,
            self._encoder.encode(event.config, event.known),
            dict(event.known),
        )
        self.trials[event.trial_id] = self._running[event.trial_id] = trial

    def _report(self, trial: ObservedTrial, event: EpochReported) -> None:
        value = self._sign * event.metrics.get(self._learned, math.nan)
        if math.isnan(value):
            self._fail(trial)
            return
        if trial.epoch:
            self._unrank(trial)
        elif not trial.failed:
            self.seen.append(trial)
        trial.curve[event.epoch] = min(value, trial.best)
        trial.epoch = event.epoch
        if event.epoch == 1 and trial.began is not None:
            since_start = event.seconds - trial.began
            trial.epoch_seconds = event.metrics.get("epoch_seconds", since_start)
        bisect.insort(self._ranked, (trial.rank, trial), key=lambda entry: entry[0])

    def _end(self, trial: ObservedTrial, event: TrialEnded) -> None:
        trial.metrics.update({n: v for n, v in event.metrics.items() if n != self._learned})
        if event.state in FAILED_STATES:
            self._fail(trial)

    def _fail(self, trial: ObservedTrial) -> None:
        if not trial.failed and not trial.epoch:
            self.seen.append(trial)
        trial.failed = True

    def _unrank(self, trial: ObservedTrial) -> None:
        place = bisect.bisect_left(self._ranked, trial.rank, key=lambda entry: entry[0])
        del self._ranked[place]
