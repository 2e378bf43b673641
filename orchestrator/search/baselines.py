"""Baselines: proposed before any other configuration, never stopped early."""

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
    from orchestrator.spec.baselines import Baseline
    from search_spaces.space import Config, SearchSpace


class TrialsOf:
    """The trials of the configurations with the given digests."""

    def __init__(self, digests: Collection[str]) -> None:
        self._digests = frozenset(digests)
        self._ids: set[str] = set()

    def __contains__(self, trial_id: object) -> bool:
        """Whether the trial has one of the configurations."""
        return trial_id in self._ids

    def observe(self, event: SweepEvent) -> bool:
        """Return whether ``event`` concerns one of these trials; events come in ledger order."""
        if not self._digests:
            return False
        if isinstance(event, TrialAsked) and config_digest(event.config) in self._digests:
            self._ids.add(event.trial_id)
        return event.trial_id in self._ids


class BaselinesFirst:
    """Proposes the baselines in their order, then the wrapped searcher's configurations.

    The wrapped searcher observes only the baselines that are points of ``space``.
    """

    def __init__(
        self, searcher: Searcher, baselines: Sequence[Baseline], space: SearchSpace
    ) -> None:
        self._searcher = searcher
        self._remaining = {baseline.digest: dict(baseline.config) for baseline in baselines}
        self._outside = TrialsOf([b.digest for b in baselines if space.faults(b.config)])

    def propose(self, number: int) -> Config | None:
        """Return the first baseline without a trial, else the wrapped searcher's proposal."""
        baseline = next(iter(self._remaining.values()), None)
        return self._searcher.propose(number) if baseline is None else dict(baseline)

    def observe(self, event: SweepEvent) -> None:
        """Update the state by one event; events come in ledger order, each once."""
        if isinstance(event, TrialAsked) and self._remaining:
            self._remaining.pop(config_digest(event.config), None)
        if not self._outside.observe(event):
            self._searcher.observe(event)


class BaselinesExempt:
    """Continues the baselines' trials; the wrapped scheduler judges all others.

    The wrapped scheduler does not observe the baselines, so they take no rank at a rung.
    """

    def __init__(self, scheduler: Scheduler, baselines: Sequence[Baseline]) -> None:
        self._scheduler = scheduler
        self._exempt = TrialsOf([baseline.digest for baseline in baselines])

    def observe(self, event: SweepEvent) -> None:
        """Update the state by one event; events come in ledger order, each once."""
        if not self._exempt.observe(event):
            self._scheduler.observe(event)

    def decide(self, trial_id: str) -> Decision:
        """Return the decision on the trial whose epoch was observed last; changes no state."""
        return CONTINUE if trial_id in self._exempt else self._scheduler.decide(trial_id)

    def promote(self) -> str | None:
        """Return a paused trial to resume; None where there is none."""
        return self._scheduler.promote()


def searcher_with_baselines(
    searcher: Searcher, baselines: Sequence[Baseline], space: SearchSpace
) -> Searcher:
    """Return a searcher that proposes ``baselines`` first; ``searcher`` where there are none."""
    return BaselinesFirst(searcher, baselines, space) if baselines else searcher


def scheduler_with_baselines(scheduler: Scheduler, baselines: Sequence[Baseline]) -> Scheduler:
    """Return a scheduler that never stops ``baselines``; ``scheduler`` where there are none."""
    return BaselinesExempt(scheduler, baselines) if baselines else scheduler
