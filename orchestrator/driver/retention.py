"""Which trials' weights make room when a sweep's disk budget is spent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.ledger.events import TrialEnded
from orchestrator.ledger.records import RecordBook
from orchestrator.search.pareto import non_dominated_ranks
from trainables.io.atomic import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.ledger.records import SweepRecords, TrialRecord
    from orchestrator.spec.objectives import Objective

GB = 1e9
REMOVED = "removed.json"
_WEIGHTS = ("best*.safetensors", "last*.pt", "*.pt2", "*.pte", "*.onnx")


def removable(
    records: SweepRecords, objectives: Sequence[Objective], sizes: Mapping[str, int], budget: float
) -> tuple[str, ...]:
    """Return the trials whose weights are removed so that all weights keep within ``budget``.

    Trials that came to no end of their own go first, then complete ones, the most dominated layer
    before the others; older before younger. Trials that are not over, and those on the front, never
    go, so that the budget may be out of reach.

    Args:
        records: All trials.
        objectives: What the front is spanned by.
        sizes: Bytes of the weights of each trial that has any.
        budget: Bytes.
    """
    total = sum(sizes.values())
    chosen: list[str] = []
    for trial in _by_worth(records, objectives):
        if total <= budget:
            break
        if sizes.get(trial.trial_id, 0) > 0:
            chosen.append(trial.trial_id)
            total -= sizes[trial.trial_id]
    return tuple(chosen)


class Retention:
    """Keeps a sweep's weights within its disk budget while trials end; a listener."""

    def __init__(
        self,
        trials: Path,
        objectives: Sequence[Objective],
        *,
        budget_gb: float,
        copied: Callable[[], int],
    ) -> None:
        """Know of no trial yet.

        Args:
            trials: Folder with one folder per trial.
            objectives: What the front is spanned by.
            budget_gb: What all weights may take, GB of 1e9 bytes, > 0.
            copied: Says how many of the ledger's events MLflow has; what it has not is kept.
        """
        self._trials = trials
        self._objectives = tuple(objectives)
        self._budget = budget_gb * GB
        self._copied = copied
        self._book = RecordBook()
        self._seen = 0
        self._ended_at: dict[str, int] = {}

    def on_event(self, event: SweepEvent, *, replayed: bool = False) -> None:  # noqa: ARG002 - alike
        """Take note of one event; the end of a trial may cost others their weights."""
        self._seen += 1
        self._book.observe(event)
        if isinstance(event, TrialEnded):
            self._ended_at[event.trial_id] = self._seen
            self.tidy()

    def tidy(self) -> str | None:
        """Remove what the budget asks for; return what is wrong where it cannot be kept."""
        sizes = {folder.name: _size(folder) for folder in self._folders()}
        if sum(sizes.values()) <= self._budget:
            return None
        copied = self._copied()
        waiting = {trial for trial, at in self._ended_at.items() if at > copied}
        chosen = removable(self._book.snapshot(), self._objectives, sizes, self._budget)
        left = sum(sizes.values())
        for trial_id in chosen:
            if trial_id not in waiting:
                remove_weights(self._trials / trial_id)
                left -= sizes[trial_id]
        if left <= self._budget:
            return None
        return (
            f"the weights take {left / GB:.2f} GB, {self._budget / GB:.2f} GB are allowed by "
            "storage.disk_budget_gb; what is left is on the front or not over"
        )

    def _folders(self) -> Iterator[Path]:
        if self._trials.is_dir():
            yield from (folder for folder in self._trials.iterdir() if folder.is_dir())


def remove_weights(folder: Path) -> None:
    """Remove a trial's weights and what was made of them.

    ``REMOVED`` is written first, so that a crash leaves no trial that lacks them without a word.
    """
    write_atomically(folder / REMOVED, b'{"reason": "storage.disk_budget_gb"}\n')
    for path in _files(folder):
        path.unlink(missing_ok=True)


def _by_worth(records: SweepRecords, objectives: Sequence[Objective]) -> Iterator[TrialRecord]:
    """Yield the trials that may lose their weights, the least worth first."""
    over = [trial for trial in records.trials if trial.ended and trial.state != "preempted"]
    yield from (trial for trial in over if trial.state != "complete")
    complete = [trial for trial in over if trial.state == "complete"]
    points = [[trial.metrics.get(o.name, float("nan")) for o in objectives] for trial in complete]
    ranks = [int(rank) for rank in non_dominated_ranks(points, objectives)] if complete else []
    for rank, trial in sorted(zip(ranks, complete, strict=True), key=lambda each: -each[0]):
        if rank > 0:
            yield trial


def _size(folder: Path) -> int:
    total = 0
    for path in _files(folder):
        try:
            total += path.stat().st_size
        except FileNotFoundError:  # replaced by its trial just now
            continue
    return total


def _files(folder: Path) -> Iterator[Path]:
    for pattern in _WEIGHTS:
        yield from folder.glob(pattern)
