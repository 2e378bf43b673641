from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from orchestrator.ledger.events import EpochReported, TrialAsked, TrialEnded, TrialStarted
from orchestrator.search.searchers import cost_aware
from orchestrator.search.searchers.base import SearchProblem
from orchestrator.search.searchers.cost_aware import CostAwareSearcher
from orchestrator.search.searchers.registry import make_searcher
from orchestrator.search.searchers.surrogate_state import TRIALS_IN_POOL
from orchestrator.spec.objectives import Objective
from search_spaces.domains import Float, LogInt
from search_spaces.space import SearchSpace, config_digest

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pytest

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.search.searchers.base import Searcher
    from search_spaces.space import Config

SPACE = SearchSpace.of(rate=Float(0, 1), width=LogInt(4, 64), slow=Float(0, 1))
OBJECTIVES = (Objective("error", "minimize"), Objective("params", "minimize"))
EVENTS_OF_A_TRIAL = 4


def params(config: Config) -> dict[str, float]:
    return {"params": float(config["width"])}


def searcher_for(trials: int | None = None, earlier: Sequence[SweepEvent] = ()) -> Searcher:
    problem = SearchProblem(
        space=SPACE,
        objectives=OBJECTIVES,
        seed=1,
        trials=trials,
        known_cost=params,
        earlier=earlier,
    )
    return make_searcher("cost-aware", problem)


def trial(number: int, config: Config, seconds: float, error: float) -> list[SweepEvent]:
    name, known = f"t{number}", params(config)
    duration = 1 + 50 * float(config["slow"])
    return [
        TrialAsked(trial_id=name, number=number, config=config, known=known, seconds=seconds),
        TrialStarted(trial_id=name, seconds=seconds),
        EpochReported(trial_id=name, epoch=1, metrics={"error": error}, seconds=seconds + duration),
        TrialEnded(
            trial_id=name,
            state="complete",
            metrics={"error": error, **known},
            seconds=seconds + duration,
        ),
    ]


def run(searcher: Searcher, trials: int, factor: float = 1.0) -> list[SweepEvent]:
    events: list[SweepEvent] = []
    for number in range(trials):
        config = searcher.propose(number)
        assert config is not None
        error = factor * ((float(config["rate"]) - 0.7) ** 2 + 1 / float(config["width"]))
        events_of_trial = trial(number, config, 100.0 * number, error)
        for event in events_of_trial:
            searcher.observe(event)
        events += events_of_trial
    return events


@cache
def sweep_of_40() -> tuple[SweepEvent, ...]:
    """Return the cached events of a sweep without a budget."""
    return tuple(run(searcher_for(), 40))


def first_30_trials() -> list[SweepEvent]:
    """Return the events of the first 30 trials of that sweep as those of an earlier sweep."""
    events = sweep_of_40()[: 30 * EVENTS_OF_A_TRIAL]
    return [replace(event, trial_id=f"w{event.trial_id}") for event in events]


def configs(events: Sequence[SweepEvent]) -> list[Config]:
    return [event.config for event in events if isinstance(event, TrialAsked)]


def test_proposals_of_a_small_sweep_depend_on_the_seed_alone() -> None:
    assert configs(run(searcher_for(14), 14)) == configs(run(searcher_for(14), 14, factor=-1.0))
    assert configs(run(searcher_for(40), 14)) != configs(run(searcher_for(40), 14, factor=-1.0))


def test_a_small_sweep_learns_from_earlier_ones() -> None:
    earlier = first_30_trials()
    proposed = configs(run(searcher_for(14, earlier), 14))
    assert sum(abs(float(config["rate"]) - 0.7) < 0.15 for config in proposed) > 0.6 * len(proposed)
    assert not {config_digest(c) for c in proposed} & {config_digest(c) for c in configs(earlier)}


def test_only_the_last_earlier_trials_draw_candidates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    earlier = first_30_trials()
    refreshed: list[int] = []
    original = CostAwareSearcher._refresh_candidates

    def refresh_candidates(self: CostAwareSearcher, number: int) -> np.random.Generator:
        refreshed.append(number)
        return original(self, number)

    monkeypatch.setattr(CostAwareSearcher, "_refresh_candidates", refresh_candidates)
    monkeypatch.setattr(cost_aware, "BATCH_FROM", 20)
    searcher = searcher_for(None, earlier)
    assert refreshed == list(range(30 - TRIALS_IN_POOL, 30))
    assert not searcher._planned  # type: ignore[attr-defined]
    run(searcher, 3)
    assert refreshed[TRIALS_IN_POOL:] == [0, 1, 2]


def test_faster_configurations_are_proposed_first() -> None:
    later = configs(sweep_of_40())[20:]
    assert sum(float(config["slow"]) < 0.5 for config in later) > 0.8 * len(later)


def test_later_proposals_are_near_the_front() -> None:
    later = configs(sweep_of_40())[20:]
    assert sum(abs(float(config["rate"]) - 0.7) < 0.15 for config in later) > 0.6 * len(later)


def test_batched_proposals_are_new_and_replayed_equally(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cost_aware, "BATCH_FROM", 20)
    monkeypatch.setattr(cost_aware, "BATCH_GROWTH", 4)
    first, second = searcher_for(), searcher_for()
    events = run(first, 60)
    asked = configs(events)
    assert len({config_digest(config) for config in asked}) == 60
    for event in events:
        second.observe(event)
    assert first.propose(60) == second.propose(60)
