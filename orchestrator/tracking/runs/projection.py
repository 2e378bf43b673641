"""Turns the events of a sweep into updates of its MLflow runs, which are values."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from orchestrator.ledger.events import (
    SYSTEM_PREFIX,
    EpochReported,
    TrialAsked,
    TrialEnded,
    TrialExamined,
    TrialProfiled,
    TrialStarted,
    finite_event,
)
from orchestrator.ledger.records import RecordBook
from orchestrator.report.text import brief
from orchestrator.search.pareto import non_dominated_ranks
from orchestrator.sweep.budgets import TimeLeftModel
from orchestrator.tracking import names
from search_spaces.space import config_digest
from trainables.session.messages import UNDISTURBED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.ledger.records import SweepRecords, TrialRecord
    from orchestrator.spec.sweep_spec import SweepBudget
    from orchestrator.tracking.info import SweepInfo
    from orchestrator.tracking.names import RunStatus
    from search_spaces.domains import Value


@dataclass(frozen=True, slots=True)
class Point:
    """One value of a metric; writing it twice changes nothing."""

    key: str
    value: float
    step: int
    at_ms: int
    """Time from the ledger, ms since 1970; the same in a replay."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunUpdate:
    """Additions to the run of one trial; the run is created if there is none."""

    trial_id: str
    name: str = ""
    """Name of a new run."""
    asked_ms: int = 0
    """Start time of a new run, ms since 1970."""
    params: Mapping[str, Value] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    points: tuple[Point, ...] = ()
    status: RunStatus | None = None
    """New status; None keeps the status."""
    ended_ms: int | None = None
    """End time, ms since 1970; None for an open run."""
    artifacts: tuple[str, ...] = ()
    """Files to upload, relative to the trial's folder."""

    def merged(self, later: RunUpdate) -> RunUpdate:
        """Return both updates of one trial as one; later values win."""
        return replace(
            self,
            name=later.name or self.name,
            asked_ms=later.asked_ms or self.asked_ms,
            params={**self.params, **later.params},
            tags={**self.tags, **later.tags},
            points=(*self.points, *later.points),
            status=later.status or self.status,
            ended_ms=later.ended_ms if later.status else self.ended_ms,
            artifacts=tuple(dict.fromkeys((*self.artifacts, *later.artifacts))),
        )


def merge(updates: Iterable[RunUpdate]) -> list[RunUpdate]:
    """Return one update per trial, in order of first appearance."""
    merged: dict[str, RunUpdate] = {}
    for update in updates:
        before = merged.get(update.trial_id)
        merged[update.trial_id] = before.merged(update) if before else update
    return list(merged.values())


MAX_EPOCH_KEYS = 9
MAX_FIGURE_KEYS = 15
"""A run then has at most 26 metric keys with ``pareto_rank`` and ``test_miou``; the UI becomes slow
with more."""

_EXAMINED = ("test_miou",)
"""Metrics of final checks that a run shows."""


class Projector:
    """Turns events, in ledger order, into updates; deterministic."""

    def __init__(self, info: SweepInfo) -> None:
        self._info = info
        self._book = RecordBook()
        self._figures: dict[str, dict[str, float]] = {}
        self._best: dict[str, float] = {}
        self._completed = 0
        self._ended = 0
        self._busy_seconds = 0.0
        self._time_left = None if info.budget is None else _time_left_model(info, info.budget)

    @property
    def records(self) -> SweepRecords:
        """The trials after the observed events."""
        return self._book.snapshot()

    def observe(self, event: SweepEvent) -> tuple[RunUpdate | None, tuple[Point, ...]]:
        """Return the update of the trial's run, and the points of the sweep's run."""
        event = finite_event(event)
        record = self._book.observe(event)
        if self._time_left is not None:
            self._time_left.observe(event, record)
        match event:
            case TrialAsked():
                return self._asked(event, record), ()
            case TrialStarted():
                tags = {names.TRIAL_STATE: "running"}
                return RunUpdate(trial_id=event.trial_id, tags=tags, status="RUNNING"), ()
            case TrialProfiled() | EpochReported():
                return self._reported(event), ()
            case TrialExamined():
                return self._examined(event), ()
            case TrialEnded():
                return self._ended_run(event, record), self._sweep_points(event, record)
            case _:
                return None, ()

    def rank_updates(self, written: Mapping[str, int]) -> list[RunUpdate]:
        """Return an update for every complete trial whose rank differs from ``written``.

        The step of the metric is the number of complete trials.
        """
        records = self._book.snapshot()
        complete = records.complete
        points = [
            [_finite(trial.metrics.get(o.name)) for o in self._info.objectives]
            for trial in complete
        ]
        ranks = [int(rank) for rank in non_dominated_ranks(points, self._info.objectives)]
        at_ms = self._info.at_ms(records.seconds)
        return [
            RunUpdate(
                trial_id=trial.trial_id,
                tags={
                    names.PARETO: "true" if rank == 0 else "false",
                    names.PARETO_RANK: str(rank),
                    names.RUN_COLOUR: names.colour("complete", rank),
                },
                points=(Point(names.PARETO_RANK, float(rank), len(complete), at_ms),),
            )
            for trial, rank in zip(complete, ranks, strict=True)
            if written.get(trial.trial_id) != rank
        ]

    def _asked(self, event: TrialAsked, record: TrialRecord) -> RunUpdate:
        baseline = self._baseline(event)
        return RunUpdate(
            trial_id=event.trial_id,
            name=f"{event.trial_id} {baseline or brief(event.config)}".strip(),
            asked_ms=self._info.at_ms(record.asked_at),
            params=event.config,
            tags={
                names.TRIAL_NUMBER: str(event.number),
                names.TRIAL_STATE: record.state,
                names.PARETO: "false",
                names.RUN_COLOUR: names.colour(record.state, None),
                **({names.BASELINE: baseline} if baseline else {}),
            },
            points=self._new_figures(event.trial_id, event.known, event.seconds),
        )

    def _baseline(self, event: TrialAsked) -> str | None:
        """Return the name of the trial's baseline; None for any other config."""
        known = self._info.baselines
        return known.get(config_digest(event.config)) if known else None

    def _reported(self, event: TrialProfiled | EpochReported) -> RunUpdate:
        match event:
            case TrialProfiled():
                points = self._new_figures(event.trial_id, event.metrics, event.seconds)
                tags = disturbance_tags(event.metrics, event.details)
            case EpochReported():
                points, tags = self._epoch(event), {}
        return RunUpdate(trial_id=event.trial_id, points=points, tags=tags)

    def _epoch(self, event: EpochReported) -> tuple[Point, ...]:
        at_ms = self._info.at_ms(event.seconds)
        system = [name for name in event.metrics if name.startswith(SYSTEM_PREFIX)]
        curves = [name for name in event.metrics if name not in system][:MAX_EPOCH_KEYS]
        keys = {**{name: names.EPOCH_PREFIX + name for name in curves}, **{n: n for n in system}}
        return tuple(
            Point(key, event.metrics[name], event.epoch, at_ms) for name, key in keys.items()
        )

    def _ended_run(self, event: TrialEnded, record: TrialRecord) -> RunUpdate:
        figures = dict(event.metrics)
        aims = {each.name for each in self._info.objectives}
        if event.state in {"complete", "stopped"}:
            figures |= {name: record.metrics[name] for name in aims & record.metrics.keys()}
        else:  # scores of an unfinished training must not be compared
            figures = {k: v for k, v in figures.items() if k not in aims or k in self._known(event)}
        return RunUpdate(
            trial_id=event.trial_id,
            tags={
                names.TRIAL_STATE: event.state,
                names.REASON: event.reason,
                names.RUN_COLOUR: names.colour(event.state, None),
            },
            points=self._new_figures(event.trial_id, figures, event.seconds),
            status=names.STATUS[event.state],
            ended_ms=self._info.at_ms(event.seconds),
            artifacts=event.artifacts,
        )

    def _examined(self, event: TrialExamined) -> RunUpdate:
        """Return the metrics of a final check; a repeated latency replaces the first one."""
        tags = disturbance_tags(event.metrics, event.details)
        if event.kind == "latency":
            points = self._new_figures(event.trial_id, event.metrics, event.seconds)
        else:
            at_ms = self._info.at_ms(event.seconds)
            figures = {name: event.metrics[name] for name in _EXAMINED if name in event.metrics}
            points = tuple(Point(name, value, 0, at_ms) for name, value in figures.items())
        if not event.ruled_out:
            return RunUpdate(trial_id=event.trial_id, points=points, tags=tags)
        tags |= {
            names.TRIAL_STATE: "infeasible",
            names.REASON: event.ruled_out,
            names.PARETO: "false",
            names.PARETO_RANK: "",
            names.RUN_COLOUR: names.colour("infeasible", None),
        }
        status = names.STATUS["infeasible"]
        return RunUpdate(trial_id=event.trial_id, points=points, tags=tags, status=status)

    def _known(self, event: TrialEnded) -> Mapping[str, float]:
        return self._figures.get(event.trial_id, {})

    def _new_figures(
        self, trial_id: str, metrics: Mapping[str, float], seconds: float
    ) -> tuple[Point, ...]:
        """Return points for new and changed metrics; objectives have priority.

        A run has at most ``MAX_FIGURE_KEYS`` keys; a key once logged stays logged.
        """
        known = self._figures.setdefault(trial_id, {})
        aims = {each.name for each in self._info.objectives}
        room = MAX_FIGURE_KEYS - len(aims | known.keys())
        points: list[Point] = []
        for name, value in metrics.items():
            if known.get(name) == value:
                continue
            if name not in known and name not in aims:
                if room <= 0:
                    continue
                room -= 1
            known[name] = value
            points.append(Point(name, value, 0, self._info.at_ms(seconds)))
        return tuple(points)

    def _sweep_points(self, event: TrialEnded, record: TrialRecord) -> tuple[Point, ...]:
        if event.state == "preempted":
            return ()
        self._ended += 1
        self._busy_seconds += record.busy_seconds
        hours = self._busy_seconds * self._info.workers_per_trial / 3600
        figures = {"ended": float(self._ended), "device_hours": hours}
        if event.state == "complete":
            self._completed += 1
            figures["completed"] = float(self._completed)
            figures |= self._improved(record)
        figures |= self._hours_left()
        at_ms = self._info.at_ms(event.seconds)
        return tuple(Point(name, value, self._ended, at_ms) for name, value in figures.items())

    def _hours_left(self) -> dict[str, float]:
        """Return the time left, estimated whenever the number of ended trials grew by 1 %."""
        if self._time_left is None or self._ended % max(1, self._ended // 100):
            return {}
        left = self._time_left.of(self._book.snapshot())
        return {} if left is None else {names.HOURS_LEFT: left.seconds / 3600}

    def _improved(self, record: TrialRecord) -> dict[str, float]:
        for each in self._info.objectives:
            value = _finite(record.metrics.get(each.name))
            best = self._best.get(each.name)
            better = max if each.direction == "maximize" else min
            if math.isfinite(value):
                self._best[each.name] = value if best is None else better(best, value)
        return {f"best_{name}": value for name, value in self._best.items()}


def _time_left_model(info: SweepInfo, budget: SweepBudget) -> TimeLeftModel:
    return TimeLeftModel(
        budget,
        info.objectives,
        workers_per_trial=info.workers_per_trial,
        baselines=info.baselines,
    )


def _finite(value: float | None) -> float:
    return value if value is not None and math.isfinite(value) else math.nan


def disturbance_tags(metrics: Mapping[str, float], details: Mapping[str, Value]) -> dict[str, str]:
    """Return the tag that marks a disturbed latency; empty without a latency.

    An undisturbed latency clears the tag of an earlier measurement.
    """
    if UNDISTURBED not in metrics:
        return {}
    return {names.LATENCY_DISTURBANCE: str(details.get("disturbance", ""))}
