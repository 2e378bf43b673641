"""Reads the trials of earlier sweeps for a plan, from the storage folder and the tracking store."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from orchestrator.ledger.history import stored_trainings, tracked_trainings
from orchestrator.ledger.warm_start import WarmStart, find_warm_start
from orchestrator.tracking.client import TrackingError, store_exists
from orchestrator.tracking.history import History
from trainables.data.digest import dataset_digest
from trainables.data.layouts.registry import open_layout

if TYPE_CHECKING:
    from orchestrator.ledger.history import EarlierTraining
    from orchestrator.spec.sweep_spec import SweepSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class EarlierSweeps:
    """Trials of earlier sweeps."""

    trainings: tuple[EarlierTraining, ...]
    """Their trainings on the same data, in any search space."""
    warm_start: WarmStart = field(default_factory=WarmStart)
    """Trials for a warm start; empty unless the spec requests one."""
    tracking_error: str | None = None
    """Why the tracking store was not read; None if it was read."""


def read_earlier(spec: SweepSpec) -> EarlierSweeps:
    """Return the trials of earlier sweeps on the data of ``spec``, from all machines.

    An unreachable tracking store is reported in the result, unless the spec requests a warm start.

    Raises:
        WarmStartError: a sweep named under ``search.warm_start`` is missing or not comparable.
        TrackingError: a warm start is requested and the tracking store cannot be read.
        DataError: the data set cannot be opened.
    """
    trainings = stored_trainings(spec)
    if not (spec.search.warm_start or store_exists(spec.tracking_uri)):
        return EarlierSweeps(trainings=trainings)
    history = History(spec.tracking_uri)
    digest = cache(lambda: _digest(spec))
    try:
        tracked = tracked_trainings(spec, history, digest)
        if not spec.search.warm_start:
            return EarlierSweeps(trainings=(*trainings, *tracked))
        warm_start = find_warm_start(spec, history, sweep_id="", dataset_digest=digest())
    except TrackingError as error:
        if spec.search.warm_start:
            raise
        return EarlierSweeps(trainings=trainings, tracking_error=str(error))
    return EarlierSweeps(trainings=(*trainings, *tracked), warm_start=warm_start)


def _digest(spec: SweepSpec) -> str:
    cache_dir = spec.storage.cache_dir
    return dataset_digest(open_layout(spec.data, cache_dir), cache_dir)
