"""Keeps a sweep's weights within its disk budget: which trials lose their weights first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.ledger.events import TrialEnded
from orchestrator.ledger.records import RecordTable
from orchestrator.search.pareto import non_dominated_ranks
from trainables.io.atomic import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.ledger.folders import SweepFolder
    from orchestrator.ledger.records import SweepRecords, TrialRecord
    from orchestrator.spec.objectives import Objective
    from orchestrator.spec.sweep_spec import SweepSpec

GB = 1e9
REMOVED = "removed.json"
"""File that marks a trial whose weights were removed."""
_WEIGHTS = ("best*.safetensors", "last*.pt", "*.pt2", "*.pte", "*.onnx")


def removable(
    records: SweepRecords, objectives: Sequence[Objective], sizes: Mapping[str, int], budget: float
) -> tuple[str, ...]:
    """Return the trials to remove the weights of, so that all weights fit into ``budget``.

    Stopped, failed and infeasible trials come first, then complete ones, the most dominated layer
    first; older before younger. Open trials and the front are never removed, so the budget may not
    be reachable.

    Args:
        records: All trials.
        objectives: Objectives of the front.
        sizes: Size of each trial's weights, bytes.
        budget: Size of all weights together, bytes.
    """
    total = sum(sizes.values())
    removed: list[str] = []
    for trial in _least_valuable_first(records, objectives):
        if total <= budget:
            break
        if sizes.get(trial.trial_id, 0) > 0:
            removed.append(trial.trial_id)
            total -= sizes[trial.trial_id]
    return tuple(removed)


class Retention:
    """Removes weights over the disk budget whenever a trial ends; a listener."""

    def __init__(
        self,
        trials: Path,
        objectives: Sequence[Objective],
        *,
        budget_gb: float,
        copied: Callable[[], int],
    ) -> None:
        """Start without any trial.

        Args:
            trials: Folder with one folder per trial.
            objectives: Objectives of the front.
            budget_gb: Size of all weights together, GB of 1e9 bytes, > 0.
            copied: Returns the number of ledger events that MLflow has. Weights of trials that
                ended later are kept.
        """
        self._trials = trials
        self._objectives = tuple(objectives)
        self._budget = budget_gb * GB
        self._copied = copied
        self._records = RecordTable()
        self._seen = 0
        self._ended_at: dict[str, int] = {}

    def on_event(
        self,
        event: SweepEvent,
        record: TrialRecord,
        *,
        replayed: bool = False,  # noqa: ARG002 - alike
    ) -> None:
        """Record one event; the end of a trial may remove weights."""
        self._seen += 1
        self._records.put(record, event.seconds)
        if isinstance(event, TrialEnded):
            self._ended_at[event.trial_id] = self._seen
            self.tidy()

    def tidy(self) -> str | None:
        """Remove weights over the budget; return an error if the budget is still exceeded."""
        sizes = {folder.name: _size(folder) for folder in self._folders()}
        if sum(sizes.values()) <= self._budget:
            return None
        copied = self._copied()
        waiting = {trial for trial, at in self._ended_at.items() if at > copied}
        total = sum(sizes.values())
        for trial_id in removable(self._records.snapshot(), self._objectives, sizes, self._budget):
            if trial_id not in waiting:
                remove_weights(self._trials / trial_id)
                total -= sizes[trial_id]
        if total <= self._budget:
            return None
        return (
            f"the weights take {total / GB:.2f} GB, storage.disk_budget_gb allows "
            f"{self._budget / GB:.2f} GB; the remaining trials are on the front or still open"
        )

    def _folders(self) -> Iterator[Path]:
        if self._trials.is_dir():
            yield from (folder for folder in self._trials.iterdir() if folder.is_dir())


def retention_listeners(
    spec: SweepSpec, folder: SweepFolder, *, copied: Callable[[], int]
) -> tuple[Retention, ...]:
    """Return the listener that enforces ``storage.disk_budget_gb``; empty without a budget."""
    budget_gb = spec.storage.disk_budget_gb
    if budget_gb is None:
        return ()
    return (Retention(folder.trials, spec.objectives, budget_gb=budget_gb, copied=copied),)


def remove_weights(folder: Path) -> None:
    """Remove a trial's weights and the artifacts made from them.

    ``REMOVED`` is written first, so that a crash never leaves a trial without weights or marker.
    """
    write_atomically(folder / REMOVED, b'{"reason": "storage.disk_budget_gb"}\n')
    for path in _files(folder):
        path.unlink(missing_ok=True)


def _least_valuable_first(
    records: SweepRecords, objectives: Sequence[Objective]
) -> Iterator[TrialRecord]:
    """Yield the trials that may lose their weights."""
    ended = [trial for trial in records.trials if trial.ended and trial.state != "preempted"]
    yield from (trial for trial in ended if trial.state != "complete")
    complete = [trial for trial in ended if trial.state == "complete"]
    points = [[trial.metrics.get(o.name, float("nan")) for o in objectives] for trial in complete]
    ranks = [int(rank) for rank in non_dominated_ranks(points, objectives)] if complete else []
    for rank, trial in sorted(zip(ranks, complete, strict=True), key=lambda pair: -pair[0]):
        if rank > 0:
            yield trial


def _size(folder: Path) -> int:
    total = 0
    for path in _files(folder):
        try:
            total += path.stat().st_size
        except FileNotFoundError:  # a running trial has just replaced it
            continue
    return total


def _files(folder: Path) -> Iterator[Path]:
    for pattern in _WEIGHTS:
        yield from folder.glob(pattern)
