"""What earlier sweeps say about a planned one, from the storage folder and the tracking store."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from orchestrator.ledger.history.experience import gather, gather_tracked
from orchestrator.ledger.history.warm_start import WarmStart, find_warm_start
from orchestrator.tracking.client import store_exists
from orchestrator.tracking.errors import TrackingError
from orchestrator.tracking.history import History
from trainables.data.digest import dataset_digest
from trainables.data.layouts.registry import open_layout

if TYPE_CHECKING:
    from orchestrator.ledger.history.experience import Experience
    from orchestrator.spec.sweep_spec import SweepSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class Earlier:
    """What earlier sweeps say."""

    trainings: tuple[Experience, ...]
    """Their trainings on the same data, in whatever space."""
    warm_start: WarmStart = field(default_factory=WarmStart)
    """What searcher and scheduler know from the start; nothing where the spec does not ask."""
    trouble: str | None = None
    """Why only the storage folder was read; None where the tracking store was, too."""


def read_earlier(spec: SweepSpec) -> Earlier:
    """Return what earlier sweeps say about ``spec``, those of other machines included.

    A tracking store that does not answer is a trouble and no error, unless the spec starts from it.

    Raises:
        WarmStartError: a sweep that the spec starts from is not there, or is about something else.
        TrackingError: the spec starts from earlier sweeps and the tracking store cannot be read.
        DataError: its data set is asked for and cannot be opened.
    """
    trainings = gather(spec)
    if not (spec.search.warm_start or store_exists(spec.tracking_uri)):
        return Earlier(trainings=trainings)
    past = History(spec.tracking_uri)
    digest = cache(lambda: _digest(spec))
    try:
        tracked = gather_tracked(spec, past, digest)
        if not spec.search.warm_start:
            return Earlier(trainings=(*trainings, *tracked))
        known = find_warm_start(spec, past, sweep_id="", dataset_digest=digest())
    except TrackingError as error:
        if spec.search.warm_start:
            raise
        return Earlier(trainings=trainings, trouble=str(error))
    return Earlier(trainings=(*trainings, *tracked), warm_start=known)


def _digest(spec: SweepSpec) -> str:
    cache_dir = spec.storage.cache_dir
    return dataset_digest(open_layout(spec.data, cache_dir), cache_dir)
