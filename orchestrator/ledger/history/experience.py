"""Trainings of earlier sweeps that say something about a planned one."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.ledger.folders import list_sweeps
from orchestrator.ledger.history.past import kept_settings, read_config
from orchestrator.ledger.ledger import Ledger, LedgerError
from orchestrator.ledger.records import fold
from orchestrator.spec.errors import SpecError
from orchestrator.spec.parse import load_spec, parse_spec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from orchestrator.ledger.history.past import Past, PastSweep, PastTrial
    from orchestrator.ledger.records import TrialRecord
    from orchestrator.spec.sweep_spec import SweepSpec
    from search_spaces.space import Config

MOST_SWEEPS = 20
"""Sweeps that are read, the latest ones."""
ENOUGH_TRAININGS = 1000
"""Trainings after which no further sweep is read from a tracking store, which takes seconds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Experience:
    """One training of an earlier sweep on the same data."""

    sweep_id: str
    config: Config
    """Its configuration; empty where it is known to lie outside the planned space."""
    costs: Mapping[str, float]
    """Its figures, ``macs`` and ``latency_ms`` among them."""
    curve: tuple[float, ...]
    """mIoU after each epoch, >= 1."""
    complete: bool
    """Whether it was trained to its end."""
    epoch_seconds: float
    """Time of an epoch, > 0: their mean, or the last one's."""
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
            if _compares(other, spec) and other.data == spec.data:
                with Ledger(folder.ledger) as ledger:
                    trials = fold(event for _, event in ledger.events()).trials
                found += [each for t in trials for each in _experience(t, folder.sweep_id)]
        except (SpecError, LedgerError, ValueError):
            continue
    return tuple(found)


def gather_tracked(
    spec: SweepSpec, past: Past, dataset_digest: Callable[[], str | None]
) -> tuple[Experience, ...]:
    """Return the trainings of the latest sweeps in a tracking store that ``spec`` compares with.

    Those are as in ``gather``, wherever they ran; the data may have lain in another folder. What
    lies in the storage root is left to ``gather``, which knows more of it.

    Args:
        spec: What is planned.
        past: The tracking store.
        dataset_digest: Digest of the spec's data set; asked for where a sweep used another folder.

    Raises:
        TrackingError: the tracking store cannot be read.
    """
    own = {folder.sweep_id for folder in list_sweeps(Path(spec.storage.root))}
    others = [each for each in past.sweeps() if each.sweep_id not in own]
    sound = [each for each in others if _tracked_compares(each, spec, dataset_digest)]
    found: list[Experience] = []
    for sweep in reversed(sound[-MOST_SWEEPS:]):
        found += [each for t in past.trials(sweep) for each in _tracked_experience(t, spec)]
        if len(found) >= ENOUGH_TRAININGS:
            break
    return tuple(found)


def _compares(other: SweepSpec, spec: SweepSpec) -> bool:
    same_workers = other.resources.train_workers == spec.resources.train_workers
    return other.target == spec.target and same_workers


def _tracked_compares(
    sweep: PastSweep, spec: SweepSpec, dataset_digest: Callable[[], str | None]
) -> bool:
    settings = kept_settings(sweep)
    try:
        other = None if settings is None else parse_spec(settings)
    except SpecError:
        return False
    if other is None or not _compares(other, spec):
        return False
    if other.data == spec.data:
        return True
    alike = replace(other.data, root=None) == replace(spec.data, root=None)
    return alike and sweep.dataset_digest is not None and sweep.dataset_digest == dataset_digest()


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


def _tracked_experience(trial: PastTrial, spec: SweepSpec) -> Iterator[Experience]:
    curve = tuple(miou for _, miou in trial.curve)
    epochs = trial.epoch_seconds * len(curve)
    if not epochs > 0 or not trial.metrics.get("macs", 0) > 0:  # NaN, or no curve
        return
    yield Experience(
        sweep_id=trial.sweep_id,
        config=read_config(trial.params, spec.space) or {},
        costs=trial.metrics,
        curve=curve,
        complete=trial.complete,
        epoch_seconds=trial.epoch_seconds,
        other_seconds=max(0.0, trial.seconds - epochs),
    )
