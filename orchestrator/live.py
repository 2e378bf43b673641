"""What a person wants to see of a sweep that is running."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.events import TrialEnded
from orchestrator.pareto import default_reference_point, hypervolume
from orchestrator.records import RecordBook

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.events import Objective, SweepEvent
    from orchestrator.records import RecordState, TrialRecord
    from search_spaces.domains import Value

_ENOUGH_PROGRESS = 0.05
"""Share of the sweep below which no time left is told: it would be a guess."""

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
class LiveRow:
    """One trial of the table."""

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
    gflops: float | None
    """FLOPs of one image in 1e9; None before they are counted."""
    config: str
    """The configuration in a few words."""
    reason: str
    """Why the trial ended as it did; may be empty."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveView:
    """The whole picture at one moment."""

    rows: tuple[LiveRow, ...]
    """Every trial that was started, in order of proposal."""
    done: int
    """Trials that are over, without those the cost gate settled."""
    total: int
    """Trials the budget allows."""
    gated: int
    """Configurations that the cost gate settled before the first epoch."""
    counts: Mapping[RecordState, int]
    """Trials in each state."""
    best: LiveRow | None
    """The row with the highest mIoU of those that were not ruled out."""
    hypervolume: float | None
    """Of the complete trials against their own default reference point; None without one."""
    elapsed: float
    """Seconds since the sweep began."""
    left: float | None
    """Estimated seconds to the end; None while too little is known."""


class LiveModel:
    """Keeps the picture while events come in; holds no terminal and no clock."""

    def __init__(self, *, trials: int, epochs: int, objectives: Sequence[Objective]) -> None:
        self._total = trials
        self._epochs = epochs
        self._objectives = tuple(objectives)
        self._book = RecordBook()
        self._rows: dict[str, LiveRow] = {}
        self._volume: float | None = None

    def on_event(self, event: SweepEvent) -> LiveRow:
        """Take note of one event, in ledger order, and return the row it belongs to."""
        record = self._book.observe(event)
        if isinstance(event, TrialEnded):
            self._volume = self._hypervolume()
        row = _row(record, self._epochs)
        self._rows[row.trial_id] = row
        return row

    def view(self, seconds: float) -> LiveView:
        """Return the picture ``seconds`` after the sweep began."""
        snapshot = self._book.snapshot()
        gated = {trial.trial_id for trial in snapshot.trials if _was_gated(trial)}
        rows = [self._rows[t.trial_id] for t in snapshot.trials if t.trial_id not in gated]
        done = sum(row.state not in {"pending", "running", "preempted"} for row in rows)
        return LiveView(
            rows=tuple(rows),
            done=done,
            total=self._total,
            gated=len(gated),
            counts=snapshot.counts,
            best=_best(rows),
            hypervolume=self._volume,
            elapsed=seconds,
            left=_time_left(rows, self._total, seconds),
        )

    def _hypervolume(self) -> float | None:
        names = [objective.name for objective in self._objectives]
        points = [
            [trial.metrics[name] for name in names]
            for trial in self._book.snapshot().complete
            if all(name in trial.metrics for name in names)
        ]
        if not points:
            return None
        reference = default_reference_point(points, self._objectives)
        return hypervolume(points, self._objectives, reference)


def describe(config: Mapping[str, Value]) -> str:
    """Return a configuration in a few words: what shapes the model, then what trains it."""
    return " ".join(
        f"{short}{_short(config[name])}" for name, short in _SHORT.items() if name in config
    )


def _short(value: Value) -> str:
    return f"{value:.2g}" if isinstance(value, float) else str(value)


def _row(record: TrialRecord, epochs: int) -> LiveRow:
    scores = [metrics["miou"] for _, metrics in record.history if "miou" in metrics]
    if record.state == "complete" and "miou" in record.metrics:
        scores = [record.metrics["miou"]]
    flops = record.metrics.get("flops")
    return LiveRow(
        trial_id=record.trial_id,
        state=record.state,
        epoch=record.epochs_done,
        epochs=epochs,
        miou=max(scores, default=None),
        latency_ms=record.metrics.get("latency_ms"),
        gflops=None if flops is None else flops / 1e9,
        config=describe(record.config),
        reason=record.reason,
    )


def _was_gated(trial: TrialRecord) -> bool:
    return trial.state == "infeasible" and trial.epochs_done == 0


def _best(rows: Sequence[LiveRow]) -> LiveRow | None:
    scored = [row for row in rows if row.miou is not None and row.state != "infeasible"]
    return max(scored, key=lambda row: row.miou or 0.0, default=None)


def _time_left(rows: Sequence[LiveRow], total: int, elapsed: float) -> float | None:
    """Seconds to the end at the speed so far, counted in epochs; a stopped trial counts whole."""
    running = {"pending", "running", "preempted"}
    shares = [min(1.0, row.epoch / row.epochs) if row.state in running else 1.0 for row in rows]
    progress = min(1.0, sum(shares) / total)
    if not progress >= _ENOUGH_PROGRESS:
        return None
    return elapsed * (1 - progress) / progress
