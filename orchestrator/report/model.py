"""The report of a sweep as one value, and its computation."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.ledger.interruptions import Interruptions
from orchestrator.report.analysis import (
    BaselineStanding,
    CurvePoint,
    Effort,
    HeldOut,
    compare_baselines,
    effort_of,
    finite_value,
    held_out,
    test_miou_of,
    volume_curve,
)
from orchestrator.report.labels import label
from orchestrator.search.pareto import (
    default_reference_point,
    hypervolume,
    knee_point,
    non_dominated_ranks,
    share_of_perfect,
)
from search_spaces.space import config_digest
from trainables.session.messages import MICRO_BATCHES, UNDISTURBED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.forecast.plan import Scored
    from orchestrator.ledger.records import RecordState, SweepRecords, TrialRecord
    from orchestrator.report.ablation import Ablation
    from orchestrator.spec.objectives import Objective
    from search_spaces.domains import Value
    from trainables.export.record import Artifact


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportRow:
    """One trial of a report."""

    trial_id: str
    number: int
    """Order of proposal, from 0."""
    state: RecordState
    config: Mapping[str, Value]
    objectives: Mapping[str, float | None]
    """Value of every objective; None if it is missing or not finite."""
    metrics: Mapping[str, float]
    """All metrics of the trial."""
    epochs: int
    """Epochs trained."""
    reason: str = ""
    """Why it ended."""
    rank: int | None = None
    """Non-domination rank among complete trials, 0 for the front; None for other states."""
    knee: bool = False
    """Whether it is the knee point of the front."""
    test_miou: float | None = None
    """mIoU on the test split, [0, 1]; None without a score."""
    baseline: str = ""
    """Name of the baseline with its config; empty for any other trial."""

    @property
    def disturbed(self) -> bool:
        """Whether other load disturbed its latency measurement."""
        return self.metrics.get(UNDISTURBED, 1.0) != 1.0

    @property
    def micro_batches(self) -> int:
        """Micro-batches into which its batches were divided for lack of memory, 1 usually."""
        return int(self.metrics.get(MICRO_BATCHES, 1))

    def shown(self, metric: str) -> str:
        """Return a metric as display text; ``~`` marks a disturbed latency."""
        value = self.objectives[metric] if metric in self.objectives else self.metrics.get(metric)
        mark = "~" if self.disturbed and metric.startswith("latency_") else ""
        return f"{mark}{label(metric).show(value)}"


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepReport:
    """Result of a sweep so far."""

    sweep_id: str
    objectives: tuple[Objective, ...]
    rows: tuple[ReportRow, ...]
    """All trials in order of proposal."""
    front: tuple[ReportRow, ...]
    """Non-dominated complete trials, best value of the first objective first."""
    knee: str | None
    """Id of the knee point, the best compromise of the front; None without a front."""
    best: Mapping[str, str]
    """Id of the trial with the best value of each objective; empty without a complete trial."""
    hypervolume: float
    """Volume that the front dominates, bounded by the reference point; higher is better."""
    reference_point: Mapping[str, float]
    """Reference point of the hypervolume by objective."""
    counts: Mapping[RecordState, int]
    """Trials in each state."""
    curve: tuple[CurvePoint, ...] = ()
    """Hypervolume after each completed trial, in order of completion."""
    effort: Effort = field(default_factory=Effort)
    """Device time of the sweep."""
    baselines: tuple[BaselineStanding, ...] = ()
    """Comparison of the baselines, in the order of the spec."""
    held_out: HeldOut | None = None
    """Scores of the front on the test split; None without an examination."""
    interruptions: Interruptions = field(default_factory=Interruptions)
    """Cost of lost lanes and drivers."""
    plan: tuple[Scored, ...] = ()
    """Forecasts of its plan and actual values; empty without a plan."""
    ablations: tuple[Ablation, ...] = ()
    """Ablation of each compressed trial of the front, in its order."""
    artifacts: Mapping[str, tuple[Artifact, ...]] = field(default_factory=dict)
    """Exported artifacts by trial id."""
    data_warnings: tuple[str, ...] = ()
    """Warnings of the data check, a line each."""

    @property
    def hypervolume_share(self) -> float:
        """The hypervolume divided by that of a perfect trial (accuracy 1, cost 0), in [0, 1]."""
        return self.share_of(self.hypervolume)

    def share_of(self, volume: float) -> float:
        """Return ``volume`` divided by that of a perfect trial."""
        return share_of_perfect(volume, self.objectives, self.reference_point)

    @property
    def completed(self) -> int:
        """Number of complete trials."""
        return self.counts["complete"]

    def row(self, trial_id: str) -> ReportRow:
        """Return the row of a trial.

        Raises:
            KeyError: the sweep has no such trial.
        """
        for row in self.rows:
            if row.trial_id == trial_id:
                return row
        raise KeyError(f"sweep {self.sweep_id} has no trial {trial_id!r}")


def build_report(
    records: SweepRecords,
    objectives: Sequence[Objective],
    *,
    sweep_id: str,
    reference_point: Mapping[str, float] | None = None,
    epochs: int | None = None,
    workers_per_trial: int = 1,
    baselines: Mapping[str, str] | None = None,
) -> SweepReport:
    """Return the report of ``records``; only complete trials are ranked.

    A complete trial with an objective that is missing or not finite ranks behind all others and is
    never on the front.

    Args:
        records: The trials so far.
        objectives: Objectives of the front; not empty.
        sweep_id: Id of the sweep.
        reference_point: Reference point of the hypervolume; None for a point just beyond the worst
            complete trials.
        epochs: Epochs of a full training, for the estimate of the time saved; None for none.
        workers_per_trial: Devices of a running trial.
        baselines: Names of the baselines by config digest, in their order.
    """
    named = baselines or {}
    complete = records.complete
    points = [[finite_value(trial, each.name) for each in objectives] for trial in complete]
    reference = dict(reference_point or default_reference_point(points, objectives))
    ranks = dict(
        zip((t.trial_id for t in complete), non_dominated_ranks(points, objectives), strict=True)
    )
    knee_index = knee_point(points, objectives)
    knee = None if knee_index is None else complete[knee_index].trial_id
    rows = tuple(_row(trial, objectives, ranks, knee, named) for trial in records.trials)
    front = tuple(
        sorted(
            (row for row in rows if row.rank == 0 and None not in row.objectives.values()),
            key=lambda row: _badness(row, objectives[0]),
        )
    )
    return SweepReport(
        sweep_id=sweep_id,
        objectives=tuple(objectives),
        rows=rows,
        front=front,
        knee=knee,
        best=_best(front, objectives),
        hypervolume=hypervolume(points, objectives, reference),
        reference_point=reference,
        counts=records.counts,
        held_out=held_out([row.trial_id for row in front], records.trials),
        baselines=compare_baselines(named, records.trials, objectives),
        curve=volume_curve(records, objectives, reference),
        effort=effort_of(records, epochs=epochs, workers_per_trial=workers_per_trial),
    )


def _row(
    trial: TrialRecord,
    objectives: Sequence[Objective],
    ranks: Mapping[str, int],
    knee: str | None,
    named: Mapping[str, str],
) -> ReportRow:
    values = {each.name: finite_value(trial, each.name) for each in objectives}
    rank = ranks.get(trial.trial_id)
    return ReportRow(
        trial_id=trial.trial_id,
        number=trial.number,
        state=trial.state,
        config=trial.config,
        objectives={name: None if math.isnan(value) else value for name, value in values.items()},
        metrics=trial.metrics,
        epochs=trial.epochs_done,
        reason=trial.reason,
        rank=None if rank is None else int(rank),
        knee=trial.trial_id == knee,
        test_miou=test_miou_of(trial),
        baseline=named.get(config_digest(trial.config), "") if named else "",
    )


def _badness(row: ReportRow, objective: Objective) -> float:
    value = row.objectives[objective.name]
    if value is None:
        return math.inf
    return -value if objective.direction == "maximize" else value


def _best(front: Sequence[ReportRow], objectives: Sequence[Objective]) -> dict[str, str]:
    if not front:
        return {}
    return {
        each.name: min(front, key=lambda row, by=each: _badness(row, by)).trial_id  # type: ignore[misc]
        for each in objectives
    }
