"""What a person wants to see of a sweep that is running."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.events import TrialEnded
from orchestrator.pareto import default_reference_point, hypervolume, share_of_perfect
from orchestrator.records import RecordBook

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.events import Objective, SweepEvent
    from orchestrator.records import RecordState, TrialRecord
    from search_spaces.domains import Value

_OVER = frozenset({"complete", "stopped", "infeasible", "failed"})
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
    hypervolume_share: float | None
    """Hypervolume of the complete trials, measured as in the report, over that of a perfect trial,
    [0, 1]; None without a complete trial."""
    elapsed: float
    """Seconds since the sweep began."""
    left: float | None
    """Estimated seconds to the end; None while too little is known."""


class LiveModel:
    """Keeps the picture while events come in; holds no terminal and no clock."""

    def __init__(
        self,
        *,
        trials: int,
        epochs: int,
        objectives: Sequence[Objective],
        reference_point: Mapping[str, float] | None = None,
    ) -> None:
        """Take what the sweep is to do.

        Args:
            trials: Trials that the budget allows.
            epochs: Epochs of a full training.
            objectives: What the front is spanned by.
            reference_point: Where the sweep's hypervolume is measured from; None takes a point
                just beyond the worst complete trials.
        """
        self._total = trials
        self._epochs = epochs
        self._objectives = tuple(objectives)
        self._reference = reference_point
        self._book = RecordBook()
        self._rows: dict[str, LiveRow] = {}
        self._share: float | None = None
        self._at_once = 1

    def on_event(self, event: SweepEvent) -> LiveRow:
        """Take note of one event, in ledger order, and return the row it belongs to."""
        record = self._book.observe(event)
        if isinstance(event, TrialEnded) and event.state == "complete":
            self._measure()
        counts = self._book.snapshot().counts
        self._at_once = max(self._at_once, counts["running"])
        row = _row(record, self._epochs)
        self._rows[row.trial_id] = row
        return row

    def view(self, seconds: float) -> LiveView:
        """Return the picture ``seconds`` after the sweep began."""
        snapshot = self._book.snapshot()
        gated = {trial.trial_id for trial in snapshot.trials if _was_gated(trial)}
        rows = [self._rows[t.trial_id] for t in snapshot.trials if t.trial_id not in gated]
        done = sum(row.state in _OVER for row in rows)
        return LiveView(
            rows=tuple(rows),
            done=done,
            total=self._total,
            gated=len(gated),
            counts=snapshot.counts,
            best=_best(rows),
            hypervolume_share=self._share,
            elapsed=seconds,
            left=self._time_left([t for t in snapshot.trials if t.trial_id not in gated]),
        )

    def _measure(self) -> None:
        points = [
            [trial.metrics.get(each.name, math.nan) for each in self._objectives]
            for trial in self._book.snapshot().complete
        ]
        reference = self._reference or default_reference_point(points, self._objectives)
        volume = hypervolume(points, self._objectives, reference)
        self._share = share_of_perfect(volume, self._objectives, reference)

    def _time_left(self, trials: Sequence[TrialRecord]) -> float | None:
        """Return the epochs to come at the mean time of one so far, over the trials at once.

        A trial that is not begun counts as long as those that are over were on average.
        """
        trained = [trial for trial in trials if trial.epochs_done]
        epochs = sum(trial.epochs_done for trial in trained)
        if not epochs:
            return None
        over = [trial.epochs_done for trial in trials if trial.state in _OVER]
        whole = sum(over) / len(over) if over else self._epochs
        begun = [trial.epochs_done for trial in trials if trial.state not in _OVER]
        to_come = sum(max(0.0, whole - done) for done in begun)
        to_come += whole * max(0, self._total - len(trials))
        return to_come * sum(map(_lane_seconds, trained)) / epochs / self._at_once


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


def _lane_seconds(trial: TrialRecord) -> float:
    """Time on lanes up to the last thing heard of the trial."""
    running = 0.0 if trial.started_at is None else trial.changed_at - trial.started_at
    return trial.busy_seconds + max(0.0, running)
