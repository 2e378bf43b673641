"""How much of a sweep's budget is needed by one who is told every trial's end at its first epoch?

A bound on what better predictions of learning curves could bring: searcher and scheduler see the
value after full training, without luck, from the first epoch on, while the hypervolume counts what
the trials have reached. Simulated sweeps on the benchmarks of ``search_efficiency.py``; the share
of the budget after which the mean final hypervolume of the best of random, NSGA-II, MO-TPE and
random + ASHA is reached, median over seeds. One of so many trials as the factor says goes on at a
rung.

Run: OMP_NUM_THREADS=1 python -m benchmarks.oracle --seeds 8
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Generic, TypeVar

from benchmarks.search_efficiency import (
    BENCHMARKS,
    RIVALS,
    dense_reference,
    load,
    ours,
    summary,
    sweep_options,
)
from orchestrator.forecast.simulation.clockwork import Clockwork
from orchestrator.forecast.simulation.run import benchmark_problem
from orchestrator.ledger.events import EpochReported, TrialAsked
from orchestrator.search.schedulers.registry import make_scheduler
from orchestrator.search.searchers.registry import make_searcher
from orchestrator.spec.strategies import DEFAULT_SEARCHER

if TYPE_CHECKING:
    from benchmarks.search_efficiency import Known
    from orchestrator.forecast.simulation.result import SeedResult
    from orchestrator.ledger.events import SweepEvent
    from orchestrator.search.schedulers.base import Decision, Scheduler
    from orchestrator.search.searchers.base import Searcher
    from search_spaces.space import Config

WAYS = {
    "stopping, factor 3": ("mo-asha", 3.0),
    "pausing, factor 3": ("mo-asha-promote", 3.0),
    "pausing, factor 8": ("mo-asha-promote", 8.0),
}


_Decider = TypeVar("_Decider", bound="Searcher | Scheduler")


class _Told(Generic[_Decider]):
    """Lets a searcher or a scheduler see what a trial's last epoch reports, without luck."""

    def __init__(self, decider: _Decider, benchmark: Known) -> None:
        self._decider = decider
        self._benchmark = benchmark
        self._configs: dict[str, Config] = {}

    def observe(self, event: SweepEvent) -> None:
        if isinstance(event, TrialAsked):
            self._configs[event.trial_id] = event.config
        if isinstance(event, EpochReported):
            end = float(self._benchmark.final(self._configs[event.trial_id]))
            event = replace(event, metrics={self._benchmark.objectives[0].name: end})
        self._decider.observe(event)


class _ToldSearcher(_Told["Searcher"]):
    def propose(self, number: int) -> Config | None:
        return self._decider.propose(number)


class _ToldScheduler(_Told["Scheduler"]):
    def decide(self, trial_id: str) -> Decision:
        return self._decider.decide(trial_id)

    def promote(self) -> str | None:
        return self._decider.promote()


def told(benchmark: Known, way: str, seed: int, given: argparse.Namespace) -> SeedResult:
    """Return one sweep whose searcher and scheduler know the ends."""
    scheduler, factor = WAYS[way]
    problem = benchmark_problem(benchmark, seed=seed)
    if given.untold:
        problem = replace(problem, reference_point={})
    rungs = make_scheduler(scheduler, problem, reduction_factor=factor)
    clockwork = Clockwork(
        benchmark,
        _ToldSearcher(make_searcher(DEFAULT_SEARCHER, problem), benchmark),
        _ToldScheduler(rungs, benchmark),
        seed=seed,
    )
    seconds = given.budget * benchmark.full_training_seconds / given.workers
    return clockwork.run(workers=given.workers, seconds=seconds)


def main() -> None:
    """Print what the best other method comes to, and each way of knowing the ends."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    sweep_options(parser)
    parser.add_argument("--benchmarks", nargs="+", default=list(BENCHMARKS), choices=BENCHMARKS)
    given = parser.parse_args()
    for name in given.benchmarks:
        benchmark = load(name, untold=given.untold)
        reference = dense_reference(benchmark)
        finals = {
            method: summary(ours(name, method, given), reference, None)["hypervolume"]
            for method in RIVALS
        }
        best = max(finals, key=lambda method: finals[method])
        print(f"{name}: best other {best}, {finals[best]:.3f}", flush=True)
        for way in WAYS:
            results = [told(benchmark, way, seed, given) for seed in range(given.seeds)]
            found = summary(results, reference, finals[best])
            print(f"{name}: {way}: {json.dumps(found)}", flush=True)


if __name__ == "__main__":
    main()
