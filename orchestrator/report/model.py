"""The result of a sweep as one value."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.ledger.interruptions import Interruptions
from orchestrator.report.analysis.baselines import BaselineStanding, compare_baselines
from orchestrator.report.analysis.effort import Effort, effort_of
from orchestrator.report.analysis.held_out import HeldOut, held_out, test_miou_of
from orchestrator.report.analysis.hypervolume import CurvePoint, finite_value, volume_curve
from orchestrator.report.tables.labels import label
from orchestrator.search.pareto import (
    default_reference_point,
    hypervolume,
    knee_point,
    non_dominated_ranks,
    share_of_perfect,
)
from search_spaces.space import config_digest
from trainables.session.messages import UNDISTURBED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.forecast.score import Scored
    from orchestrator.ledger.records import RecordState, SweepRecords, TrialRecord
    from orchestrator.report.analysis.ablation import Ablation
    from orchestrator.spec.objectives import Objective
    from search_spaces.domains import Value
    from trainables.export.record import Artifact


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportRow:
    """One trial as the report shows it."""

    trial_id: str
    number: int
    """Order of proposal, from 0."""
    state: RecordState
    config: Mapping[str, Value]
    objectives: Mapping[str, float | None]
    """Value of every objective; None where there is none yet or it is not finite."""
    metrics: Mapping[str, float]
    """All figures of the trial."""
    epochs: int
    """Epochs trained."""
    reason: str = ""
    """Why it ended as it did."""
    rank: int | None = None
    """Layer of non-domination among complete trials, 0 is the front; None for other states."""
    knee: bool = False
    """Whether it is the front's best compromise."""
    test_miou: float | None = None
    """mIoU on the test split, [0, 1]; None where it was not scored on one."""
    baseline: str = ""
    """Name of the baseline that it is the trial of; empty for any other trial."""

    @property
    def disturbed(self) -> bool:
        """Whether its latency was measured under disturbance."""
        return self.metrics.get(UNDISTURBED, 1.0) != 1.0

    def shown(self, metric: str) -> str:
        """Return a figure as people read it; a latency that is not sound is marked with ``~``."""
        value = self.objectives[metric] if metric in self.objectives else self.metrics.get(metric)
        mark = "~" if self.disturbed and metric.startswith("latency_") else ""
        return f"{mark}{label(metric).show(value)}"


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepReport:
    """What a sweep has found so far."""

    sweep_id: str
    objectives: tuple[Objective, ...]
    rows: tuple[ReportRow, ...]
    """All trials in order of proposal."""
    front: tuple[ReportRow, ...]
    """Complete trials that no other one dominates, best value of the first objective first."""
    knee: str | None
    """Trial that is the front's best compromise; None without a front."""
    best: Mapping[str, str]
    """For every objective the trial with its best value; empty without a complete trial."""
    hypervolume: float
    """Volume the front dominates up to the reference point; more is better."""
    reference_point: Mapping[str, float]
    """Value of each objective from which the hypervolume is measured."""
    counts: Mapping[RecordState, int]
    """Trials in each state."""
    curve: tuple[CurvePoint, ...] = ()
    """Hypervolume after each completed trial, in order of completion."""
    effort: Effort = field(default_factory=Effort)
    """What the sweep cost."""
    baselines: tuple[BaselineStanding, ...] = ()
    """Where the baselines stand, in the order of the spec."""
    held_out: HeldOut | None = None
    """What the test split says of the front; None where nothing was scored on one."""
    interruptions: Interruptions = field(default_factory=Interruptions)
    """What lost lanes and drivers cost."""
    plan: tuple[Scored, ...] = ()
    """What its plan said against what came; empty without a plan."""
    ablations: tuple[Ablation, ...] = ()
    """What compression brought to each compressed trial of the front, in its order."""
    artifacts: Mapping[str, tuple[Artifact, ...]] = field(default_factory=dict)
    """What lies there to be deployed, by trial."""
    data_warnings: tuple[str, ...] = ()
    """Warnings of the data check, a line each."""

    @property
    def hypervolume_share(self) -> float:
        """The hypervolume over that of a perfect trial (accuracy 1, cost 0), in [0, 1]."""
        return self.share_of(self.hypervolume)

    def share_of(self, volume: float) -> float:
        """Return ``volume`` over that of a perfect trial, as ``share_of_perfect`` does."""
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
    """Return what ``records`` amount to; only complete trials are ranked.

    A complete trial that lacks an objective, or has one that is not finite, is ranked behind all
    others and never on the front.

    Args:
        records: The trials so far.
        objectives: What the front is spanned by, >= 1.
        sweep_id: Identity of the sweep.
        reference_point: Where the hypervolume is measured from; None takes a point just beyond
            the worst complete trials.
        epochs: Epochs of a full training, for the estimate of what stopping saved; None for none.
        workers_per_trial: Devices a trial holds while it runs.
        baselines: Name of each baseline by the digest of its configuration, in their order.
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
