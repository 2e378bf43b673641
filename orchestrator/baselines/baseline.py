"""A configuration that has a name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.events import TrialAsked
from search_spaces.space import config_digest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from orchestrator.events import SweepEvent
    from search_spaces.domains import Value


@dataclass(frozen=True, kw_only=True, slots=True)
class Baseline:
    """A configuration that is tried before anything is searched."""

    name: str
    """What the report calls it, one line, unique in the sweep."""
    config: Mapping[str, Value]
    """The whole configuration; a sound one, in the sweep's space or not."""

    @property
    def digest(self) -> str:
        """What its trial is known by."""
        return config_digest(self.config)


def names_by_digest(baselines: Iterable[Baseline]) -> dict[str, str]:
    """Return the name of each baseline by the digest of its configuration, in their order."""
    return {baseline.digest: baseline.name for baseline in baselines}


class TrialsOf:
    """Tells the events of some configurations' trials from those of all others."""

    def __init__(self, digests: Collection[str]) -> None:
        """Know the configurations by their digests."""
        self._digests = frozenset(digests)
        self._ids: set[str] = set()

    def __contains__(self, trial_id: object) -> bool:
        """Whether the trial has been asked for with one of the configurations."""
        return trial_id in self._ids

    def observe(self, event: SweepEvent) -> bool:
        """Return whether ``event`` is about one of their trials; events come in ledger order."""
        if not self._digests:
            return False
        if isinstance(event, TrialAsked) and config_digest(event.config) in self._digests:
            self._ids.add(event.trial_id)
        return event.trial_id in self._ids
