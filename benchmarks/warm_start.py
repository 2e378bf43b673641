"""What the trials of an earlier sweep are worth to a new one, by who is told of them.

Simulated sweeps on the recorded and synthetic benchmarks. An earlier sweep of the defaults, of half
the budget, leaves its trials, as a tracking store has them. A new one, whose budget is small, then
begins without them, with a searcher that knows the complete ones, with a searcher and a scheduler
that do, or with both knowing the stopped ones, too. Hypervolume is that of the new sweep's own
trials, relative to a dense search.

Run: python benchmarks/warm_start.py --seeds 10
"""

from __future__ import annotations

import argparse
import json
import statistics
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.search_efficiency import BENCHMARKS, dense_reference
from orchestrator.forecast.simulation.benchmark import load_benchmark
from orchestrator.forecast.simulation.run import (
    benchmark_setup,
    default_jobs,
    results_in_order,
    simulate_setup,
)
from orchestrator.ledger.events import TrialAsked, TrialEnded

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from orchestrator.forecast.simulation.benchmark import Benchmark
    from orchestrator.forecast.simulation.outcome import SeedResult
    from orchestrator.ledger.events import SweepEvent
    from orchestrator.sweep.make import SweepSetup

WORKERS = 8
COMPLETE = frozenset({"complete"})
ENDED = frozenset({"complete", "stopped"})
NONE: frozenset[str] = frozenset()
KNOWING = {
    "neither": (NONE, NONE),
    "the searcher": (COMPLETE, NONE),
    "searcher and scheduler": (COMPLETE, COMPLETE),
    "both, stopped trials too": (ENDED, ENDED),
}
"""States of the earlier trials that the searcher knows, and the scheduler."""


class Journal:
    """A listener that keeps the events of a sweep."""

    def __init__(self) -> None:
        self.events: list[SweepEvent] = []

    def on_event(self, event: SweepEvent, *_: object, replayed: bool = False) -> None:  # noqa: ARG002 - none is
        """Keep the event."""
        self.events.append(event)

    def ended(self, states: Collection[str]) -> tuple[SweepEvent, ...]:
        """Return the events of trials that ended in one of ``states``, as of an earlier sweep."""
        chosen = {
            event.trial_id
            for event in self.events
            if isinstance(event, TrialEnded) and event.state in states
        }
        return tuple(
            replace(event, trial_id=f"w{event.trial_id[1:]}")
            for event in self.events
            if event.trial_id in chosen
        )


def sweep(
    benchmark: Benchmark,
    *,
    seed: int,
    budget: float,
    searcher_knows: Sequence[SweepEvent] = (),
    scheduler_knows: Sequence[SweepEvent] = (),
) -> tuple[SeedResult, Journal]:
    """Return one sweep of the defaults, with its events."""
    setup, journal = benchmark_setup(benchmark, seed=seed), Journal()
    result = simulate_setup(
        benchmark,
        setup,
        workers=WORKERS,
        budget=budget,
        searcher=_with_earlier(setup, searcher_knows).searcher(),
        scheduler=_with_earlier(setup, scheduler_knows).scheduler(),
        listeners=[journal],
    )
    return result, journal


def _with_earlier(setup: SweepSetup, events: Sequence[SweepEvent]) -> SweepSetup:
    return replace(setup, problem=replace(setup.problem, earlier=events))


def volumes(seed: int, *, name: str, earlier_budget: float, budget: float) -> dict[str, float]:
    """Return the hypervolume of a new sweep by who knows, with the number of earlier trials."""
    benchmark = load_benchmark(BENCHMARKS[name])
    _, first = sweep(benchmark, seed=1000 + seed, budget=earlier_budget)
    found = {
        f"{state} trials": float(sum(isinstance(e, TrialAsked) for e in first.ended({state})))
        for state in ("complete", "stopped")
    }
    for who, (searcher, scheduler) in KNOWING.items():
        result, _ = sweep(
            benchmark,
            seed=seed,
            budget=budget,
            searcher_knows=first.ended(searcher),
            scheduler_knows=first.ended(scheduler),
        )
        found[who] = result.hypervolume
    return found


def run(name: str, given: argparse.Namespace) -> dict[str, object]:
    """Return the figures of one benchmark."""
    reference = dense_reference(load_benchmark(BENCHMARKS[name]))  # type: ignore[arg-type]
    each = partial(volumes, name=name, earlier_budget=given.earlier_budget, budget=given.budget)
    found = list(results_in_order(each, range(given.seeds), jobs=given.jobs))
    figures: dict[str, object] = {
        f"{state} trials": statistics.mean(one[f"{state} trials"] for one in found)
        for state in ("complete", "stopped")
    }
    for who in KNOWING:
        values = [one[who] / reference for one in found]
        figures[who] = {
            "hypervolume": statistics.mean(values),
            "standard_error": statistics.stdev(values) / len(values) ** 0.5,
        }
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--earlier-budget", type=float, default=15)
    parser.add_argument("--budget", type=float, default=10)
    parser.add_argument("--jobs", type=int, default=default_jobs())
    parser.add_argument("--benchmarks", nargs="+", default=list(BENCHMARKS), choices=BENCHMARKS)
    given = parser.parse_args()
    for name in given.benchmarks:
        print(f"{name:10} {json.dumps(run(name, given))}", flush=True)


if __name__ == "__main__":
    main()
