"""Simulated sweeps of a thousand lanes: what deciding costs as the number of trials grows.

    python benchmarks/thousand_lanes.py [--lanes 1000] [--trials 1000 10000] [--searcher random]

The real searcher and scheduler decide on a virtual clock; nothing is trained. Each line is one
sweep of so many started trials: processor time of all decisions together and per trial, share of
the lanes' time that is busy with real decisions one after the other, peak memory of the process.
"""

from __future__ import annotations

import argparse
import resource
import time

from orchestrator.forecast.simulation.benchmark import load_benchmark
from orchestrator.forecast.simulation.run import simulate_one
from orchestrator.lanes.simulated import Overheads
from orchestrator.spec.sweep_spec import DEFAULT_SCHEDULER, DEFAULT_SEARCHER


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--lanes", type=int, default=1000)
    options.add_argument("--trials", type=int, nargs="+", default=[1000, 3000, 10_000])
    options.add_argument("--searcher", default=DEFAULT_SEARCHER)
    options.add_argument("--scheduler", default=DEFAULT_SCHEDULER)
    options.add_argument(
        "--benchmark", default="orchestrator.forecast.simulation.synthetic:crossing"
    )
    options.add_argument("--handover", type=float, default=0.4)
    chosen = options.parse_args()
    benchmark = load_benchmark(chosen.benchmark)
    overheads = Overheads(handover_seconds=chosen.handover, timer=time.process_time)
    print(f"{chosen.searcher}, {chosen.scheduler}, {chosen.lanes} lanes")
    for trials in chosen.trials:
        begin = time.process_time()
        found = simulate_one(
            benchmark,
            searcher=chosen.searcher,
            scheduler=chosen.scheduler,
            workers=chosen.lanes,
            budget=float(trials + chosen.lanes),
            max_trials=trials,
            overheads=overheads,
        )
        took = time.process_time() - begin
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        busy = "-" if found.utilization is None else f"{found.utilization:.1%}"
        print(
            f"{found.started} started, {found.completed} complete: {took:.1f} s CPU, "
            f"{1e3 * took / found.started:.2f} ms each, busy {busy} (waits: {found.bottleneck}), "
            f"{found.virtual_seconds:.0f} s virtual, peak {peak:.0f} MiB",
            flush=True,
        )


if __name__ == "__main__":
    main()
