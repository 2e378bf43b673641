"""An oracle for learning curves: how much budget a perfect prediction would save.

Searcher and scheduler get the noise-free value after full training from the first epoch on, while
the hypervolume counts what the trials have reached. Simulated sweeps on the benchmarks of
``search_efficiency.py``. Printed is the share of the budget after which the mean final hypervolume
of the best of random, NSGA-II, MO-TPE and random + ASHA is reached, median over seeds. A reduction
factor of 8 lets one of 8 trials pass a rung.

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
from orchestrator.forecast.simulation.run import benchmark_setup, simulate_setup
from orchestrator.ledger.events import EpochReported, TrialAsked

if TYPE_CHECKING:
    from benchmarks.search_efficiency import Known
    from orchestrator.forecast.simulation.outcome import SeedResult
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


class _Oracle(Generic[_Decider]):
    """Shows a searcher or a scheduler the noise-free final value in place of each epoch's."""

    def __init__(self, decider: _Decider, benchmark: Known) -> None:
        self._decider = decider
        self._benchmark = benchmark
        self._configs: dict[str, Config] = {}

    def observe(self, event: SweepEvent) -> None:
        if isinstance(event, TrialAsked):
            self._configs[event.trial_id] = event.config
        if isinstance(event, EpochReported):
            final = float(self._benchmark.final(self._configs[event.trial_id]))
            event = replace(event, metrics={self._benchmark.objectives[0].name: final})
        self._decider.observe(event)


class _OracleSearcher(_Oracle["Searcher"]):
    def propose(self, number: int) -> Config | None:
        return self._decider.propose(number)


class _OracleScheduler(_Oracle["Scheduler"]):
    def decide(self, trial_id: str) -> Decision:
        return self._decider.decide(trial_id)

    def promote(self) -> str | None:
        return self._decider.promote()


def oracle_sweep(benchmark: Known, way: str, seed: int, given: argparse.Namespace) -> SeedResult:
    """Return one sweep whose searcher and scheduler know the final values."""
    scheduler, factor = WAYS[way]
    setup = benchmark_setup(
        benchmark,
        scheduler=scheduler,
        reduction_factor=factor,
        seed=seed,
        with_reference_point=not given.no_reference_point,
    )
    return simulate_setup(
        benchmark,
        setup,
        workers=given.workers,
        budget=given.budget,
        searcher=_OracleSearcher(setup.searcher(), benchmark),
        scheduler=_OracleScheduler(setup.scheduler(), benchmark),
    )


def main() -> None:
    """Print the best other method's hypervolume, and that of each way with the oracle."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    sweep_options(parser)
    parser.add_argument("--benchmarks", nargs="+", default=list(BENCHMARKS), choices=BENCHMARKS)
    given = parser.parse_args()
    for name in given.benchmarks:
        benchmark = load(name, given)
        reference = dense_reference(benchmark)
        finals = {
            method: summary(ours(name, method, given), reference, None)["hypervolume"]
            for method in RIVALS
        }
        best = max(finals, key=lambda method: finals[method])
        print(f"{name}: best other {best}, {finals[best]:.3f}", flush=True)
        for way in WAYS:
            results = [oracle_sweep(benchmark, way, seed, given) for seed in range(given.seeds)]
            found = summary(results, reference, finals[best])
            print(f"{name}: {way}: {json.dumps(found)}", flush=True)


if __name__ == "__main__":
    main()
