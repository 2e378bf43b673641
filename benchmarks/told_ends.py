"""How much of a sweep's budget is needed by one who is told every trial's end at its first epoch?

A bound on what better predictions of learning curves could bring: searcher and scheduler see the
value after full training, without luck, from the first epoch on, while the hypervolume counts what
the trials have reached. Simulated sweeps on the benchmarks of ``search_efficiency.py``; the share
of the budget after which the mean final hypervolume of the best of random, NSGA-II, MO-TPE and
random + ASHA is reached, median over seeds. One of so many trials as the factor says goes on at a
rung.

Run: OMP_NUM_THREADS=1 python -m benchmarks.told_ends --seeds 8
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from typing import TYPE_CHECKING

from benchmarks.search_efficiency import (
    BENCHMARKS,
    METHODS,
    OTHERS,
    SYNE_TUNE,
    dense_reference,
    load,
    ours,
    summary,
)
from orchestrator.events import EpochReported, TrialAsked
from orchestrator.schedulers.registry import make_scheduler
from orchestrator.searchers.registry import DEFAULT_SEARCHER, make_searcher
from orchestrator.simulation.clockwork import Clockwork
from orchestrator.simulation.run import benchmark_problem

if TYPE_CHECKING:
    from benchmarks.search_efficiency import Known
    from orchestrator.events import SweepEvent
    from orchestrator.schedulers.base import Decision, Scheduler
    from orchestrator.searchers.base import Searcher
    from orchestrator.simulation.result import SeedResult
    from search_spaces.space import Config

WAYS = {
    "stopping, factor 3": ("mo-asha", 3.0),
    "pausing, factor 3": ("mo-asha-promote", 3.0),
    "pausing, factor 8": ("mo-asha-promote", 8.0),
}


class _Foresight:
    """Turns what epochs report into what the trial's last epoch would without luck."""

    def __init__(self, benchmark: Known) -> None:
        self._benchmark = benchmark
        self._learned = benchmark.objectives[0].name
        self._configs: dict[str, Config] = {}

    def of(self, event: SweepEvent) -> SweepEvent:
        """Return the event as one sees it who knows the ends."""
        if isinstance(event, TrialAsked):
            self._configs[event.trial_id] = event.config
        if not isinstance(event, EpochReported):
            return event
        end = self._benchmark.final(self._configs[event.trial_id])
        return replace(event, metrics={self._learned: float(end)})


class _ToldSearcher:
    def __init__(self, searcher: Searcher, foresight: _Foresight) -> None:
        self._searcher = searcher
        self._foresight = foresight

    def observe(self, event: SweepEvent) -> None:
        self._searcher.observe(self._foresight.of(event))

    def propose(self, number: int) -> Config | None:
        return self._searcher.propose(number)


class _ToldScheduler:
    def __init__(self, scheduler: Scheduler, foresight: _Foresight) -> None:
        self._scheduler = scheduler
        self._foresight = foresight

    def observe(self, event: SweepEvent) -> None:
        self._scheduler.observe(self._foresight.of(event))

    def decide(self, trial_id: str) -> Decision:
        return self._scheduler.decide(trial_id)

    def promote(self) -> str | None:
        return self._scheduler.promote()


def told(benchmark: Known, way: str, seed: int, given: argparse.Namespace) -> SeedResult:
    """Return one sweep whose searcher and scheduler know the ends."""
    scheduler, factor = WAYS[way]
    problem = benchmark_problem(benchmark, seed=seed)
    deciders = make_scheduler(scheduler, problem, reduction_factor=factor)
    clockwork = Clockwork(
        benchmark,
        _ToldSearcher(make_searcher(DEFAULT_SEARCHER, problem), _Foresight(benchmark)),
        _ToldScheduler(deciders, _Foresight(benchmark)),
        seed=seed,
    )
    seconds = given.budget * benchmark.full_training_seconds / given.workers
    return clockwork.run(workers=given.workers, seconds=seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--budget", type=float, default=30)
    parser.add_argument("--benchmarks", nargs="+", default=list(BENCHMARKS), choices=BENCHMARKS)
    given = parser.parse_args()
    given.untold = False
    others = [method for method in OTHERS if method in METHODS and method != SYNE_TUNE]
    for name in given.benchmarks:
        benchmark = load(name, untold=False)
        reference = dense_reference(benchmark)
        finals = {
            method: float(str(summary(ours(name, method, given), reference, None)["hypervolume"]))
            for method in others
        }
        best = max(finals, key=lambda method: finals[method])
        print(f"{name}: best other {best}, {finals[best]:.3f}", flush=True)
        for way in WAYS:
            results = [told(benchmark, way, seed, given) for seed in range(given.seeds)]
            found = summary(results, reference, finals[best])
            print(f"{name}: {way}: {json.dumps(found)}", flush=True)


if __name__ == "__main__":
    main()
