"""Progress of a running sweep, as a table."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.ledger.events import TrialEnded
from orchestrator.ledger.records import RecordTable
from orchestrator.search.pareto import default_reference_point, hypervolume, share_of_perfect
from orchestrator.spec.sweep_spec import SweepBudget
from orchestrator.sweep.budgets import TimeLeftModel
from trainables.session.messages import UNDISTURBED

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.ledger.records import RecordState, TrialRecord
    from orchestrator.spec.objectives import Objective
    from search_spaces.domains import Value

_SHORT = {
    "arch": "",
    "backbone": "",
    "output_stride": "os",
    "resolution": "",
    "batch_size": "bs",
    "learning_rate": "lr",
    "distill_alpha": "alpha",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ProgressRow:
    """One trial in the table."""

    trial_id: str
    state: RecordState
    epoch: int
    """Epochs finished."""
    epochs: int
    """Epochs of a full training."""
    miou: float | None
    """Best so far, [0, 1]; None before the first epoch."""
    latency_ms: float | None
    """Median latency on the target, milliseconds; None before it is measured."""
    disturbed: bool
    """Whether other load disturbed the latency measurement."""
    gflops: float | None
    """FLOPs of one image in 1e9; None before they are counted."""
    config: str
    """The config, shortened."""
    reason: str
    """Why the trial ended; may be empty."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProgressView:
    """Snapshot of the table and of the sweep's figures."""

    rows: tuple[ProgressRow, ...]
    """Every trial that was started, in order of proposal."""
    done: int
    """Ended trials, without those that the cost gate rejected."""
    total: int
    """Trials of the budget."""
    gated: int
    """Configs that the cost gate rejected."""
    counts: Mapping[RecordState, int]
    """Trials in each state."""
    best: ProgressRow | None
    """The row with the highest mIoU that is not infeasible."""
    hypervolume_share: float | None
    """Hypervolume of the complete trials, as in the report, divided by that of a perfect trial,
    [0, 1]; None without a complete trial."""
    elapsed: float
    """Seconds since the sweep started."""
    left: float | None
    """Estimated seconds until a budget ends the sweep; None without an estimate."""
    ends_by: str | None
    """The budget that ends it first (see ``TimeLeft``); None without an estimate."""


class ProgressModel:
    """Folds events into the progress table; has no terminal and no clock."""

    def __init__(
        self,
        *,
        trials: int,
        epochs: int,
        objectives: Sequence[Objective],
        reference_point: Mapping[str, float] | None = None,
        device_hours: float | None = None,
        stagnation_trials: int | None = None,
        workers_per_trial: int = 1,
        baselines: Collection[str] = (),
    ) -> None:
        """Create an empty table.

        Args:
            trials: Trials of the budget.
            epochs: Epochs of a full training.
            objectives: Objectives of the front.
            reference_point: Reference point of the hypervolume; None for a point just beyond the
                worst complete trials.
            device_hours: Hours of training in the budget, > 0; None for no limit.
            stagnation_trials: Trials without growth of the front after which the sweep ends, >= 1;
                None for no such limit.
            workers_per_trial: Workers of a lane, >= 1.
            baselines: Digests of configs that the stagnation limit does not count.
        """
        budget = SweepBudget(
            trials=trials,
            epochs=epochs,
            device_hours=device_hours,
            stagnation_trials=stagnation_trials,
        )
        self._time_left = TimeLeftModel(
            budget, objectives, workers_per_trial=workers_per_trial, baselines=baselines
        )
        self._total = trials
        self._epochs = epochs
        self._objectives = tuple(objectives)
        self._reference = reference_point
        self._records = RecordTable()
        self._rows: dict[str, ProgressRow] = {}
        self._share: float | None = None

    def on_event(self, event: SweepEvent, record: TrialRecord) -> ProgressRow:
        """Apply one event, in ledger order, and return the row of its trial."""
        self._records.put(record, event.seconds)
        if isinstance(event, TrialEnded) and event.state == "complete":
            self._measure()
        self._time_left.observe(event, record)
        row = _row(record, self._epochs)
        self._rows[row.trial_id] = row
        return row

    def view(self, seconds: float) -> ProgressView:
        """Return the snapshot ``seconds`` after the sweep started."""
        snapshot = self._records.snapshot()
        counted = [trial for trial in snapshot.trials if not trial.gated]
        rows = [self._rows[trial.trial_id] for trial in counted]
        left = self._time_left.of(snapshot)
        return ProgressView(
            rows=tuple(rows),
            done=sum(trial.over for trial in counted),
            total=self._total,
            gated=len(snapshot.trials) - len(counted),
            counts=snapshot.counts,
            best=_best(rows),
            hypervolume_share=self._share,
            elapsed=seconds,
            left=None if left is None else left.seconds,
            ends_by=None if left is None else left.ends_by,
        )

    def _measure(self) -> None:
        points = [
            [trial.metrics.get(each.name, math.nan) for each in self._objectives]
            for trial in self._records.snapshot().complete
        ]
        reference = self._reference or default_reference_point(points, self._objectives)
        volume = hypervolume(points, self._objectives, reference)
        self._share = share_of_perfect(volume, self._objectives, reference)


def describe(config: Mapping[str, Value]) -> str:
    """Return a config as short text: settings of the model, then of the training."""
    return " ".join(
        f"{short}{_short(config[name])}" for name, short in _SHORT.items() if name in config
    )


def _short(value: Value) -> str:
    return f"{value:.2g}" if isinstance(value, float) else str(value)


def _row(record: TrialRecord, epochs: int) -> ProgressRow:
    scores = [metrics["miou"] for _, metrics in record.history if "miou" in metrics]
    if record.state == "complete" and "miou" in record.metrics:
        scores = [record.metrics["miou"]]
    flops = record.metrics.get("flops")
    return ProgressRow(
        trial_id=record.trial_id,
        state=record.state,
        epoch=record.epochs_done,
        epochs=epochs,
        miou=max(scores, default=None),
        latency_ms=record.metrics.get("latency_ms"),
        disturbed=record.metrics.get(UNDISTURBED, 1.0) != 1.0,
        gflops=None if flops is None else flops / 1e9,
        config=describe(record.config),
        reason=record.reason,
    )


def _best(rows: Sequence[ProgressRow]) -> ProgressRow | None:
    scored = [row for row in rows if row.miou is not None and row.state != "infeasible"]
    return max(scored, key=lambda row: row.miou or 0.0, default=None)
