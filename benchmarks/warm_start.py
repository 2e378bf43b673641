"""What the trials of an earlier sweep are worth to a new one, by who is told of them.

Simulated sweeps on the recorded and synthetic benchmarks. An earlier sweep of the defaults, of half
the budget, leaves its complete trials, as a tracking store has them. A new one, whose budget is
small, then begins without them, with a searcher that knows them, or with a searcher and a scheduler
that do. Hypervolume is that of the new sweep's own trials, relative to a dense search.

Run: python benchmarks/warm_start.py --seeds 10
"""

from __future__ import annotations

import argparse
import json
import statistics
from dataclasses import replace
from typing import TYPE_CHECKING

from benchmarks.search_efficiency import BENCHMARKS, dense_reference
from orchestrator.events import TrialAsked, TrialEnded
from orchestrator.schedulers.registry import DEFAULT_SCHEDULER, make_scheduler
from orchestrator.searchers.registry import DEFAULT_SEARCHER, make_searcher
from orchestrator.simulation.clockwork import Clockwork
from orchestrator.simulation.load import load_benchmark
from orchestrator.simulation.run import benchmark_problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.events import SweepEvent
    from orchestrator.searchers.base import Searcher
    from orchestrator.simulation.benchmark import Benchmark
    from orchestrator.simulation.result import SeedResult
    from search_spaces.space import Config

WORKERS = 8
KNOWING = {
    "nobody": (False, False),
    "the searcher": (True, False),
    "searcher and scheduler": (True, True),
}


class Recording:
    """A searcher that keeps what it observes."""

    def __init__(self, inner: Searcher) -> None:
        self._inner = inner
        self.events: list[SweepEvent] = []

    def propose(self, number: int) -> Config | None:
        """Return what the inner one proposes."""
        return self._inner.propose(number)

    def observe(self, event: SweepEvent) -> None:
        """Keep the event and hand it on."""
        self.events.append(event)
        self._inner.observe(event)

    def complete(self) -> tuple[SweepEvent, ...]:
        """Return the events of complete trials, as those of an earlier sweep."""
        done = {
            event.trial_id
            for event in self.events
            if isinstance(event, TrialEnded) and event.state == "complete"
        }
        return tuple(
            replace(event, trial_id=f"w{event.trial_id[1:]}")
            for event in self.events
            if event.trial_id in done
        )


def sweep(
    benchmark: Benchmark,
    *,
    seed: int,
    budget: float,
    searcher_knows: Sequence[SweepEvent] = (),
    scheduler_knows: Sequence[SweepEvent] = (),
) -> tuple[SeedResult, Recording]:
    """Return one sweep of the defaults, with its searcher."""
    problem = benchmark_problem(benchmark, seed=seed)
    searcher = Recording(make_searcher(DEFAULT_SEARCHER, replace(problem, earlier=searcher_knows)))
    scheduler = make_scheduler(DEFAULT_SCHEDULER, replace(problem, earlier=scheduler_knows))
    seconds = budget * benchmark.full_training_seconds / WORKERS
    clockwork = Clockwork(benchmark, searcher, scheduler, seed=seed)
    return clockwork.run(workers=WORKERS, seconds=seconds), searcher


def run(name: str, seeds: int, earlier_budget: float, budget: float) -> dict[str, object]:
    """Return the figures of one benchmark."""
    benchmark = load_benchmark(BENCHMARKS[name])
    reference = dense_reference(benchmark)  # type: ignore[arg-type]
    volumes: dict[str, list[float]] = {who: [] for who in KNOWING}
    known: list[int] = []
    for seed in range(seeds):
        _, first = sweep(benchmark, seed=1000 + seed, budget=earlier_budget)
        events = first.complete()
        known.append(sum(isinstance(event, TrialAsked) for event in events))
        for who, (searcher, scheduler) in KNOWING.items():
            result, _ = sweep(
                benchmark,
                seed=seed,
                budget=budget,
                searcher_knows=events if searcher else (),
                scheduler_knows=events if scheduler else (),
            )
            volumes[who].append(result.hypervolume / reference)
    found: dict[str, object] = {"earlier_trials": statistics.mean(known)}
    for who, values in volumes.items():
        found[who] = {
            "hypervolume": statistics.mean(values),
            "standard_error": statistics.stdev(values) / len(values) ** 0.5,
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--earlier-budget", type=float, default=15)
    parser.add_argument("--budget", type=float, default=10)
    parser.add_argument("--benchmarks", nargs="+", default=list(BENCHMARKS), choices=BENCHMARKS)
    given = parser.parse_args()
    for name in given.benchmarks:
        found = run(name, given.seeds, given.earlier_budget, given.budget)
        print(f"{name:10} {json.dumps(found)}", flush=True)


if __name__ == "__main__":
    main()
