"""Trainings of earlier sweeps that say something about a planned one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.folders import list_sweeps
from orchestrator.ledger import Ledger, LedgerError
from orchestrator.records import fold
from orchestrator.spec.errors import SpecError
from orchestrator.spec.parse import load_spec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orchestrator.records import TrialRecord
    from orchestrator.spec.sweep_spec import SweepSpec
    from search_spaces.space import Config

MOST_SWEEPS = 20
"""Sweeps that are read, the latest ones."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Experience:
    """One training of an earlier sweep on the same data."""

    sweep_id: str
    config: Config
    costs: Mapping[str, float]
    """Its figures, ``macs`` and ``latency_ms`` among them."""
    curve: tuple[float, ...]
    """mIoU after each epoch, >= 1."""
    complete: bool
    """Whether it was trained to its end."""
    epoch_seconds: float
    """Mean time of an epoch, > 0."""
    other_seconds: float
    """Time on its lane besides the epochs, >= 0."""


def gather(spec: SweepSpec) -> tuple[Experience, ...]:
    """Return the trainings of the latest sweeps in the storage root that ``spec`` compares with.

    Those are on the same data with the same target and as many train workers; a sweep that cannot
    be read is passed over.
    """
    found: list[Experience] = []
    for folder in list_sweeps(Path(spec.storage.root))[:MOST_SWEEPS]:
        try:
            other = load_spec(folder.spec)
            if _compares(other, spec):
                with Ledger(folder.ledger) as ledger:
                    trials = fold(event for _, event in ledger.events()).trials
                found += [each for t in trials for each in _experience(t, folder.sweep_id)]
        except (SpecError, LedgerError, ValueError):
            continue
    return tuple(found)


def _compares(other: SweepSpec, spec: SweepSpec) -> bool:
    same_workers = other.resources.train_workers == spec.resources.train_workers
    return other.data == spec.data and other.target == spec.target and same_workers


def _experience(trial: TrialRecord, sweep_id: str) -> Iterator[Experience]:
    curve = [metrics.get("miou", math.nan) for _, metrics in trial.history]
    seconds = [metrics.get("epoch_seconds", math.nan) for _, metrics in trial.history]
    sound = trial.state in {"complete", "stopped"} and all(map(math.isfinite, (*curve, *seconds)))
    if not curve or not sound or not sum(seconds) > 0 or not trial.metrics.get("macs", 0) > 0:
        return
    yield Experience(
        sweep_id=sweep_id,
        config=dict(trial.config),
        costs=trial.metrics,
        curve=tuple(curve),
        complete=trial.state == "complete",
        epoch_seconds=sum(seconds) / len(seconds),
        other_seconds=max(0.0, trial.busy_seconds - sum(seconds)),
    )
