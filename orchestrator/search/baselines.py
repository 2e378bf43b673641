"""A searcher that proposes the baselines first, with a scheduler that never stops them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.ledger.events import TrialAsked
from orchestrator.search.schedulers.base import CONTINUE
from search_spaces.space import config_digest

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.search.schedulers.base import Decision, Scheduler
    from orchestrator.search.searchers.base import Searcher
    from orchestrator.spec.baselines.baseline import Baseline
    from search_spaces.space import Config, SearchSpace


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


class BaselinesFirst:
    """Proposes the baselines in their order, then what another searcher does.

    The other one is shown those baselines that are points of its space; what lies outside it would
    not understand. All state comes from ``observe``: the trials that have been asked for.
    """

    def __init__(
        self, searcher: Searcher, baselines: Sequence[Baseline], space: SearchSpace
    ) -> None:
        """Take the searcher with the space that it knows."""
        self._searcher = searcher
        self._waiting = {each.digest: dict(each.config) for each in baselines}
        outside = [each.digest for each in baselines if space.faults(each.config)]
        self._outside = TrialsOf(outside)

    def propose(self, number: int) -> Config | None:
        """Return the first baseline without a trial; the searcher's proposal when all have one."""
        waiting = next(iter(self._waiting.values()), None)
        return self._searcher.propose(number) if waiting is None else dict(waiting)

    def observe(self, event: SweepEvent) -> None:
        """Take note of one event; events come in ledger order, each once."""
        if isinstance(event, TrialAsked) and self._waiting:
            self._waiting.pop(config_digest(event.config), None)
        if not self._outside.observe(event):
            self._searcher.observe(event)


class BaselinesExempt:
    """Lets the baselines train to their end; judges all other trials, and those alone.

    The other scheduler does not see the baselines: they take nobody's place at a rung.
    """

    def __init__(self, scheduler: Scheduler, baselines: Sequence[Baseline]) -> None:
        """Take the scheduler of the other trials."""
        self._scheduler = scheduler
        self._spared = TrialsOf([each.digest for each in baselines])

    def observe(self, event: SweepEvent) -> None:
        """Take note of one event; events come in ledger order, each once."""
        if not self._spared.observe(event):
            self._scheduler.observe(event)

    def decide(self, trial_id: str) -> Decision:
        """Return what happens to the trial whose epoch was observed last; changes nothing."""
        return CONTINUE if trial_id in self._spared else self._scheduler.decide(trial_id)

    def promote(self) -> str | None:
        """Return a paused trial that should go on now; None where there is none."""
        return self._scheduler.promote()


def searcher_with_baselines(
    searcher: Searcher, baselines: Sequence[Baseline], space: SearchSpace
) -> Searcher:
    """Return a searcher that proposes ``baselines`` first; the same one where there are none."""
    return BaselinesFirst(searcher, baselines, space) if baselines else searcher


def scheduler_with_baselines(scheduler: Scheduler, baselines: Sequence[Baseline]) -> Scheduler:
    """Return a scheduler that never stops ``baselines``; the same one where there are none."""
    return BaselinesExempt(scheduler, baselines) if baselines else scheduler
