"""Figures of a sweep from its trial records: hypervolume, device time, test scores, baselines."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from orchestrator.search.pareto import as_minimised, hypervolume
from search_spaces.space import config_digest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from orchestrator.ledger.records import SweepRecords, TrialRecord
    from orchestrator.spec.objectives import Objective


@dataclass(frozen=True, kw_only=True, slots=True)
class CurvePoint:
    """State of the sweep when a trial completed."""

    completed: int
    """Complete trials so far, from 1."""
    ended: int
    """Trials that had ended by then, in any state but preempted."""
    seconds: float
    """Time since the sweep started."""
    hypervolume: float
    """Of the complete trials so far, against the report's reference point."""


def volume_curve(
    records: SweepRecords, objectives: Sequence[Objective], reference: Mapping[str, float]
) -> tuple[CurvePoint, ...]:
    """Return the hypervolume after each completed trial, in order of completion.

    It is recomputed only when a trial changes the front, so thousands of trials are fast.
    """
    over = [trial for trial in records.trials if trial.ended and trial.state != "preempted"]
    points = [[finite_value(trial, each.name) for each in objectives] for trial in over]
    minimised = dict(zip((t.trial_id for t in over), as_minimised(points, objectives), strict=True))
    front = np.empty((0, len(objectives)))
    signs = as_minimised(np.ones((1, len(objectives))), objectives)
    volume = 0.0
    curve: list[CurvePoint] = []
    for ended, trial in enumerate(sorted(over, key=lambda each: each.changed_at), start=1):
        if trial.state != "complete":
            continue
        changed = _joined(front, minimised[trial.trial_id])
        if changed is not None:
            front = changed
            volume = hypervolume(front * signs, objectives, reference)
        curve.append(
            CurvePoint(
                completed=len(curve) + 1, ended=ended, seconds=trial.changed_at, hypervolume=volume
            )
        )
    return tuple(curve)


def finite_value(trial: TrialRecord, name: str) -> float:
    """Return a trial's metric; NaN if it is missing or not finite."""
    value = trial.metrics.get(name, math.nan)
    return value if math.isfinite(value) else math.nan


def _joined(front: NDArray[np.float64], new: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return the front with a new point, without dominated ones; None if nothing changes."""
    if np.isnan(new).any() or (front <= new).all(axis=1).any():
        return None
    return np.vstack([front[(front < new).any(axis=1)], new])


@dataclass(frozen=True, kw_only=True, slots=True)
class Effort:
    """Device time spent, and an estimate of the time saved."""

    seconds: float = 0.0
    """Wall time from the sweep's start to its last event."""
    device_hours: float = 0.0
    """Lane time of all ended trials, times their devices."""
    epochs: int = 0
    """Trained epochs of all trials."""
    gate_epochs_saved: int = 0
    """Remaining epochs of infeasible trials."""
    stop_epochs_saved: int = 0
    """Remaining epochs of stopped trials."""
    device_hours_saved: float | None = None
    """Those epochs at this sweep's mean time of an epoch; None if that is unknown."""


def effort_of(
    records: SweepRecords, *, epochs: int | None = None, workers_per_trial: int = 1
) -> Effort:
    """Return the device time of ``records``.

    Args:
        records: The trials so far.
        epochs: Epochs of a full training; None for no estimate of the time saved.
        workers_per_trial: Devices of a running trial.
    """
    trained = sum(trial.epochs_done for trial in records.trials)
    busy = sum(trial.busy_seconds for trial in records.trials) * workers_per_trial
    left = {
        state: sum(
            max(0, (epochs or 0) - trial.epochs_done)
            for trial in records.trials
            if trial.state == state
        )
        for state in ("infeasible", "stopped")
    }
    known = epochs is not None and trained > 0 and busy > 0
    return Effort(
        seconds=records.seconds,
        device_hours=busy / 3600,
        epochs=trained,
        gate_epochs_saved=left["infeasible"],
        stop_epochs_saved=left["stopped"],
        device_hours_saved=sum(left.values()) * busy / trained / 3600 if known else None,
    )


TEST_MIOU = "test_miou"


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldOut:
    """Scores of the front on the test split."""

    scored: int
    """Trials of the front with a test mIoU."""
    kendall_tau: float | None = None
    """Kendall's tau-b between ``miou`` and ``test_miou``, in [-1, 1]; None if undefined."""
    reason: str = ""
    """Why it is undefined; empty if it is defined."""
    failed: Mapping[str, str] = field(default_factory=dict)
    """Reasons of trials without a score, by trial id."""


def test_miou_of(trial: TrialRecord) -> float | None:
    """Return the trial's mIoU on the test split; None without one."""
    examination = trial.examinations.get("test")
    value = math.nan if examination is None else examination.metrics.get(TEST_MIOU, math.nan)
    return value if math.isfinite(value) else None


def held_out(front: Sequence[str], trials: Sequence[TrialRecord]) -> HeldOut | None:
    """Return the test scores of the trials in ``front``; None if no trial was examined."""
    examined = {each.trial_id: each for each in trials if "test" in each.examinations}
    if not examined:
        return None
    members = [examined[trial_id] for trial_id in front if trial_id in examined]
    scores = [(each.metrics["miou"], test_miou_of(each)) for each in members]
    pairs = [(val, test) for val, test in scores if test is not None]
    tau, reason = kendall_tau([val for val, _ in pairs], [test for _, test in pairs])
    return HeldOut(
        scored=len(pairs),
        kendall_tau=tau,
        reason=reason,
        failed={
            each.trial_id: each.examinations["test"].reason
            for each in members
            if each.examinations["test"].reason
        },
    )


def kendall_tau(one: Sequence[float], other: Sequence[float]) -> tuple[float | None, str]:
    """Return Kendall's tau-b of two rankings, or None with the reason why it is undefined."""
    if len(one) < 2:
        return None, f"needs two scored trials, got {len(one)}"
    from scipy.stats import kendalltau  # type: ignore[import-untyped] # noqa: PLC0415 - slow

    tau = float(kendalltau(one, other).statistic)
    if not math.isfinite(tau):
        return None, "all trials of the front have the same mIoU on one of the two splits"
    return round(tau, 9), ""


Verdict: TypeAlias = Literal["front", "matched", "dominated", "unranked"]


@dataclass(frozen=True, kw_only=True, slots=True)
class BaselineStanding:
    """Comparison of one baseline with all complete trials."""

    name: str
    trial_id: str | None
    """Its trial; None before the trial exists."""
    verdict: Verdict
    """``front``: non-dominated, no equal trial; ``matched``: non-dominated, another trial has equal
    objectives; ``dominated``: another trial dominates it; ``unranked``: it has no complete trial
    with all objectives."""
    by: str | None = None
    """Trial that matches or dominates it: the one with the best first objective, proposals of the
    searcher before baselines."""


def compare_baselines(
    baselines: Mapping[str, str], trials: Sequence[TrialRecord], objectives: Sequence[Objective]
) -> tuple[BaselineStanding, ...]:
    """Return the comparison of each baseline, in the given order.

    Args:
        baselines: Names of the baselines by config digest.
        trials: All trials.
        objectives: Objectives of the front; the first one selects among dominating trials.
    """
    if not baselines:
        return ()
    trial_of = {
        name: trial for trial in trials if (name := baselines.get(config_digest(trial.config)))
    }
    ids = {trial.trial_id for trial in trial_of.values()}
    complete = [trial for trial in trials if trial.state == "complete"]
    values = [[finite_value(trial, each.name) for each in objectives] for trial in complete]
    points = as_minimised(np.array(values).reshape(len(complete), len(objectives)), objectives)
    ranked = [
        (trial.trial_id, point)
        for trial, point in zip(complete, points, strict=True)
        if not np.isnan(point).any()
    ]
    ranked.sort(key=lambda each: (each[0] in ids, each[1][0]))
    return tuple(_standing(name, trial_of.get(name), ranked) for name in baselines.values())


def _standing(
    name: str, trial: TrialRecord | None, ranked: Sequence[tuple[str, NDArray[np.float64]]]
) -> BaselineStanding:
    """Compare one baseline with the ranked trials, given in order of preference."""
    trial_id = None if trial is None else trial.trial_id
    point = dict(ranked).get(trial_id or "")
    if point is None:
        return BaselineStanding(name=name, trial_id=trial_id, verdict="unranked")
    no_worse = [(i, each) for i, each in ranked if (each <= point).all() and i != trial_id]
    better = [i for i, each in no_worse if (each < point).any()]
    equal = [i for i, _ in no_worse if i not in better]
    verdict: Verdict = "dominated" if better else "matched" if equal else "front"
    by = next(iter([*better, *equal]), None)
    return BaselineStanding(name=name, trial_id=trial_id, verdict=verdict, by=by)
