"""When budgets end a sweep: the rule of stagnation and the estimated remaining time."""

from __future__ import annotations

import heapq
import math
from collections import deque
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING, Literal

from orchestrator.ledger.events import TrialEnded, TrialJudged, TrialStarted
from orchestrator.search.pareto import default_reference_point, hypervolume, pareto_front
from search_spaces.space import config_digest

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.ledger.records import SweepRecords, TrialRecord
    from orchestrator.spec.objectives import Objective
    from orchestrator.spec.sweep_spec import SweepBudget


_FIRST = 8
"""Trials that settle the reference point."""


class Stagnation:
    """Counts trained trials in a row without a larger hypervolume; state comes from ``observe``.

    Complete and stopped trials count with their last metrics. The reference point is that of the
    first eight of them, so that later values compare.
    """

    def __init__(
        self,
        objectives: Sequence[Objective],
        *,
        patience: int | None,
        tolerance: float = 0.01,
        exempt: Collection[str] = (),
    ) -> None:
        """Take the rule.

        Args:
            objectives: What the front is spanned by.
            patience: Trained trials in a row that may end without growth, >= 1; None for ever.
            tolerance: Relative growth that counts as none, >= 0.
            exempt: Digests of configurations whose trials do not count, such as baselines.
        """
        self._exempt = frozenset(exempt)
        self._objectives = tuple(objectives)
        self._patience = patience
        self._tolerance = tolerance
        self._points: list[list[float]] = []
        self._reference: Mapping[str, float] | None = None
        self._best = 0.0
        self._since = 0

    @property
    def reached(self) -> bool:
        """Whether as many trials in a row as the patience brought no growth."""
        return self._patience is not None and self._since >= self._patience

    @property
    def trials_left(self) -> int | None:
        """Trained trials in a row without growth that reach it; None where that is not known yet.

        It is known once the first trials have settled the reference point.
        """
        if self._patience is None or self._reference is None:
            return None
        return max(0, self._patience - self._since)

    def observe(self, event: SweepEvent, record: TrialRecord) -> None:
        """Count the end of a trained trial; events come in ledger order, each once."""
        if self._patience is None or not isinstance(event, TrialEnded):
            return
        if record.state not in {"complete", "stopped"}:
            return
        if not self._exempt or config_digest(record.config) not in self._exempt:
            self._add(record.metrics)

    def _add(self, metrics: Mapping[str, float]) -> None:
        point = [metrics.get(objective.name, math.nan) for objective in self._objectives]
        if not all(map(math.isfinite, point)):
            return
        self._points.append(point)
        if self._reference is None and len(self._points) < _FIRST:
            return
        if self._reference is None:
            self._reference = default_reference_point(self._points, self._objectives)
        self._points = [self._points[i] for i in pareto_front(self._points, self._objectives)]
        volume = hypervolume(self._points, self._objectives, self._reference)
        if volume > self._best * (1 + self._tolerance):
            self._best, self._since = volume, 0
        else:
            self._since += 1


RECENT_STARTS = 16
"""Starts of trials whose largest number of trials at once is taken for the number of lanes: lanes
come and go, and a resumed sweep may have fewer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TimeLeft:
    """Estimated time to the end of a sweep."""

    seconds: float
    """Seconds until the last trial ends, >= 0."""
    ends_by: Literal["trials", "device_hours", "stagnation"]
    """The budget that ends the sweep; ``stagnation`` does unless the front grows."""


def time_left(
    records: SweepRecords,
    budget: SweepBudget,
    *,
    lanes: int,
    workers_per_trial: int = 1,
    stagnation_trials_left: int | None = None,
) -> TimeLeft | None:
    """Return the time until the first budget ends the sweep; None while too little is known.

    A new trial takes the mean lane time of the ended ones, those that failed at once included, or
    that of a full training before the first end. A running one takes the epochs that it lacks to
    the mean of the ended ones, at the mean lane time of an epoch. Trials go to the first free lane
    while no budget is used up, as ``Sweep`` decides it: device-hours count once a trial ends, and
    running trials finish. Paused trials count as ended, since few of them resume.

    Args:
        records: The trials so far.
        budget: What ends the sweep.
        lanes: Trials that run at once, >= 1.
        workers_per_trial: Workers of a lane, >= 1.
        stagnation_trials_left: Trials without growth of the front that end the sweep; None where
            that is not known.
    """
    trials = [trial for trial in records.trials if not trial.gated]
    trained = [trial for trial in trials if trial.epochs_done]
    over = [trial for trial in trials if _is_over(trial)]
    epochs = sum(trial.epochs_done for trial in trained)
    if not epochs:
        return None
    pace = sum(map(_lane_seconds, trained)) / epochs
    depths = [trial.epochs_done for trial in over if trial.epochs_done]
    whole = fmean(depths) if depths else budget.epochs
    trial_seconds = fmean(map(_lane_seconds, over)) if over else pace * budget.epochs
    if not (0 < pace < math.inf and 0 < trial_seconds < math.inf):
        return None
    schedule = _Schedule(
        trial_seconds=trial_seconds,
        lanes=max(1, lanes),
        workers=workers_per_trial,
        budget_seconds=math.inf if budget.device_hours is None else budget.device_hours * 3600,
        spent=workers_per_trial * sum(trial.busy_seconds for trial in trials),
        new=max(0, budget.trials - len(trials)),
        patience=math.inf if stagnation_trials_left is None else stagnation_trials_left,
    )
    for trial in trials:
        if not _is_over(trial):
            to_come = pace * _epochs_left(trial, whole, budget.epochs)
            if trial.started_at is None:
                schedule.waiting.append(to_come)
            else:
                schedule.run(to_come, since=trial.changed_at - trial.started_at)
    return schedule.end()


class TimeLeftModel:
    """Keeps what ``time_left`` needs beside the records; all state comes from ``observe``."""

    def __init__(
        self,
        budget: SweepBudget,
        objectives: Sequence[Objective],
        *,
        workers_per_trial: int = 1,
        baselines: Collection[str] = (),
    ) -> None:
        """Take what ends the sweep.

        Args:
            budget: The budget.
            objectives: What the front is spanned by.
            workers_per_trial: Workers of a lane, >= 1.
            baselines: Digests of configurations that the rule of stagnation does not count.
        """
        self._budget = budget
        self._workers = workers_per_trial
        self._stagnation = Stagnation(
            objectives, patience=budget.stagnation_trials, exempt=baselines
        )
        self._on_lanes: set[str] = set()
        self._at_once: deque[int] = deque(maxlen=RECENT_STARTS)

    def observe(self, event: SweepEvent, record: TrialRecord) -> None:
        """Take note of one event; events come in ledger order, each once."""
        self._stagnation.observe(event, record)
        match event:
            case TrialStarted():
                self._on_lanes.add(event.trial_id)
                self._at_once.append(len(self._on_lanes))
            case TrialEnded() | TrialJudged(action="pause"):
                self._on_lanes.discard(event.trial_id)
            case _:
                pass

    def of(self, records: SweepRecords) -> TimeLeft | None:
        """Return the time left; None while too little is known."""
        return time_left(
            records,
            self._budget,
            lanes=max(self._at_once, default=1),
            workers_per_trial=self._workers,
            stagnation_trials_left=self._stagnation.trials_left,
        )


@dataclass(kw_only=True, slots=True)
class _Schedule:
    """Trials on lanes, from now to the end."""

    trial_seconds: float
    """Time of a new trial on its lane, s, > 0."""
    lanes: int
    workers: int
    budget_seconds: float
    """Worker-seconds of ended trials from which on none begins."""
    spent: float
    """Worker-seconds of ended trials so far."""
    new: int
    """Trials that the budget allows besides those that were proposed."""
    patience: float
    """Ended trials from which on none begins."""
    now: float = 0.0
    waiting: list[float] = field(default_factory=list)
    """Time that each interrupted trial still takes, s."""
    running: list[tuple[float, float]] = field(default_factory=list)
    """When each running trial ends, s from now, and its time on the lane by then, s."""

    def run(self, seconds: float, since: float = 0.0) -> None:
        """Begin a trial of which ``seconds`` are to come and ``since`` seconds are over."""
        heapq.heappush(self.running, (self.now + seconds, max(0.0, since) + seconds))

    def end(self) -> TimeLeft:
        """Return when the last trial ends, with the budget that ends it."""
        skipped = self._skip_rounds()
        while True:
            while len(self.running) < self.lanes and self._start():
                pass
            if not self.running:
                return TimeLeft(seconds=skipped + self.now, ends_by=self._ends_by())
            self.now, taken = heapq.heappop(self.running)
            self.spent += self.workers * taken
            self.patience -= 1

    def _start(self) -> bool:
        if self.waiting:
            self.run(self.waiting.pop(0))
            return True
        if self.new <= 0 or self._ends_by() != "trials":
            return False
        self.new -= 1
        self.run(self.trial_seconds)
        return True

    def _ends_by(self) -> Literal["trials", "device_hours", "stagnation"]:
        if self.spent >= self.budget_seconds:
            return "device_hours"
        return "stagnation" if self.patience <= 0 else "trials"

    def _skip_rounds(self) -> float:
        """Count rounds in which every lane trains a new trial at once; return their time, s.

        They change nothing but the counts, and there may be millions of them.
        """
        room = self.budget_seconds - self.spent - self.workers * sum(t for _, t in self.running)
        room -= self.workers * sum(self.waiting)
        trials = min(
            self.new,
            self.patience - len(self.running) - len(self.waiting),
            room / (self.workers * self.trial_seconds),
        )
        rounds = max(0, int(trials / self.lanes) - 1)
        self.new -= rounds * self.lanes
        self.patience -= rounds * self.lanes
        self.spent += rounds * self.lanes * self.workers * self.trial_seconds
        return rounds * self.trial_seconds


def _is_over(trial: TrialRecord) -> bool:
    return trial.over or _is_paused(trial)


def _is_paused(trial: TrialRecord) -> bool:
    paused = trial.verdict is not None and trial.verdict.action == "pause"
    return paused and trial.state == "running" and trial.started_at is None


def _epochs_left(trial: TrialRecord, whole: float, epochs: int) -> float:
    """Return the epochs to come of a trial; at least one of a training that is not full."""
    return max(whole - trial.epochs_done, min(1, max(0, epochs - trial.epochs_done)))


def _lane_seconds(trial: TrialRecord) -> float:
    """Return the time on lanes up to the trial's last event, s."""
    running = 0.0 if trial.started_at is None else trial.changed_at - trial.started_at
    return trial.busy_seconds + max(0.0, running)
