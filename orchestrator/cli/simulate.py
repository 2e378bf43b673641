"""The verb ``simulate``: simulate sweeps of a benchmark."""

from __future__ import annotations

import shlex
import statistics
import time
from functools import partial
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from orchestrator.cli.shared.options import AsJson, Jobs, examples
from orchestrator.cli.shared.output import print_err, print_json, print_table, seconds_text

if TYPE_CHECKING:
    from orchestrator.forecast.simulation import SeedResult, SimulationResult

EPILOG = examples(
    "segsweep simulate --seeds 5 --searcher motpe",
    "segsweep simulate --benchmark orchestrator.forecast.simulation.synthetic:rugged",
    "segsweep simulate --benchmark mine:curves --workers 8 --budget 30 --seeds 10 --json",
    "segsweep simulate --workers 1000 --budget 2000 --seeds 1 --overheads",
)
BUSY = 0.9995
"""Utilization that is printed as 100.0 %; no bottleneck is reported from here on."""
DEFAULT_BENCHMARK = "orchestrator.forecast.simulation.synthetic:crossing"

Target: TypeAlias = Annotated[
    str,
    typer.Option(
        "--benchmark",
        metavar="MODULE:ATTRIBUTE",
        help="Benchmark to search: an orchestrator.forecast.simulation.Benchmark, or a function "
        "without arguments that returns one. MODULE may be a file: folder/mine.py:curves.",
    ),
]
SearcherName: TypeAlias = Annotated[
    str | None, typer.Option("--searcher", metavar="NAME", help="Searcher.")
]
SchedulerName: TypeAlias = Annotated[
    str | None, typer.Option("--scheduler", metavar="NAME", help="Scheduler.")
]
Workers: TypeAlias = Annotated[int, typer.Option(min=1, help="Simulated lanes.")]
Budget: TypeAlias = Annotated[
    float, typer.Option(help="Lane time of each sweep, in full trainings, summed over the lanes.")
]
Charged: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--overheads",
        help="Charge the processor time of every decision, one after the other, and the hand-over "
        "time of a lane. --jobs then defaults to 1.",
    ),
]
Handover: TypeAlias = Annotated[
    float,
    typer.Option(
        min=0, help="Time of a lane between two trials with --overheads, s; measured: 0.06 to 0.37."
    ),
]
Seeds: TypeAlias = Annotated[
    int, typer.Option(min=1, help="Number of simulated sweeps, with seeds 0 to N - 1.")
]


def simulate(  # noqa: PLR0917 - the options of a command line
    benchmark: Target = DEFAULT_BENCHMARK,
    searcher: SearcherName = None,
    scheduler: SchedulerName = None,
    workers: Workers = 8,
    budget: Budget = 30.0,
    seeds: Seeds = 10,
    overheads: Charged = False,
    handover: Handover = 0.4,
    jobs: Jobs = None,
    as_json: AsJson = False,
) -> None:
    """Simulate sweeps of a benchmark with the real searcher and scheduler, without training."""
    from orchestrator.cli.shared.errors import CliError
    from orchestrator.forecast.simulation import BenchmarkError, SimulationResult
    from orchestrator.forecast.simulation.benchmark import loaded_benchmark
    from orchestrator.forecast.simulation.run import default_jobs, results_in_order, simulate_named
    from orchestrator.lanes.simulated import FREE, Overheads
    from orchestrator.spec.sweep_spec import (
        DEFAULT_SCHEDULER,
        DEFAULT_SEARCHER,
        current_scheduler,
        scheduler_names,
        searcher_names,
    )

    searcher = searcher or DEFAULT_SEARCHER
    scheduler = current_scheduler(scheduler or DEFAULT_SCHEDULER)
    faults = [
        f"--{kind}: unknown {kind} {name!r}; choose from {', '.join(known)}"
        for kind, name, known in (
            ("searcher", searcher, searcher_names()),
            ("scheduler", scheduler, scheduler_names()),
        )
        if name not in known
    ]
    if not budget > 0:
        faults.append(f"--budget: must be above 0 full trainings, got {budget}")
    try:
        loaded_benchmark(benchmark)
    except BenchmarkError as error:
        faults.append(f"--benchmark: {error}")
    if faults:
        raise CliError("\n".join(faults))
    charged = Overheads(handover_seconds=handover, timer=time.process_time) if overheads else FREE
    simulated = partial(
        simulate_named,
        benchmark=benchmark,
        searcher=searcher,
        scheduler=scheduler,
        workers=workers,
        budget=budget,
        overheads=charged,
    )
    # timed decisions must not share the processor with other sweeps
    at_once = min(seeds, jobs or (1 if overheads else default_jobs()))
    results: list[SeedResult] = []
    try:
        for seed, result in enumerate(results_in_order(simulated, range(seeds), jobs=at_once)):
            results.append(result)
            print_err(f"seed {seed}: hypervolume {result.hypervolume:.6g}")
    except KeyboardInterrupt:
        print_err(f"{len(results)} of {seeds} sweeps were simulated")
        if results:
            _print(SimulationResult(seeds=tuple(results)), as_json=as_json)
        raise
    _print(SimulationResult(seeds=tuple(results)), as_json=as_json)
    if (searcher, scheduler) == (DEFAULT_SEARCHER, DEFAULT_SCHEDULER) and not as_json:
        # a hypervolume is only meaningful compared with another one
        words = ["segsweep", "simulate", "--searcher", "random", "--scheduler", "asha"]
        words += [] if benchmark == DEFAULT_BENCHMARK else ["--benchmark", benchmark]
        words += ["--workers", str(workers), "--budget", f"{budget:g}", "--seeds", str(seeds)]
        words += ["--overheads", "--handover", f"{handover:g}"] if overheads else []
        print_err(f"compare with another method: {shlex.join(words)}")


def _print(result: SimulationResult, *, as_json: bool) -> None:
    if as_json:
        print_json(result.to_json())
        return
    print_table(
        ("seed", "hypervolume", "started", "completed", "stopped", "virtual time", "utilization"),
        [
            (
                str(seed),
                f"{each.hypervolume:.6g}",
                str(each.started),
                str(each.completed),
                str(each.stopped),
                seconds_text(each.virtual_seconds),
                "-" if each.utilization is None else f"{each.utilization:.1%}",
            )
            for seed, each in enumerate(result.seeds)
        ],
    )
    values = [each.hypervolume for each in result.seeds]
    idle = [each for each in result.seeds if each.utilization is None or each.utilization < BUSY]
    for name in dict.fromkeys(each.bottleneck for each in idle):
        print_err(f"lanes waited longest for: {name}")
    print_err(f"median hypervolume {statistics.median(values):.6g}")
