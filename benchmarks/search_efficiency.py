"""How much hypervolume a sweep's budget buys: our searcher and scheduler against others.

Simulated sweeps on the recorded and synthetic benchmarks, all methods with the same seeds, lanes
and budget. Regret is one minus the hypervolume relative to a dense search without noise, so that
luck may bring it slightly below zero. Writes the figures as JSON and as a table. Syne Tune takes
part where --syne-tune names the Python of an environment that has it (see syne_tune_moasha.py).
With --no-reference-point no searcher and no scheduler gets one, as in real sweeps, and the
hypervolume is measured from a tenth beyond the largest costs of the space.

Run: python benchmarks/search_efficiency.py --seeds 10 --syne-tune syne/bin/python
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import platform
import statistics
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from orchestrator.forecast.simulation.benchmark import load_benchmark
from orchestrator.forecast.simulation.outcome import SeedResult
from orchestrator.forecast.simulation.recorded import Recorded
from orchestrator.forecast.simulation.run import simulate_one
from orchestrator.search.pareto import hypervolume, pareto_front
from orchestrator.search.searchers.surrogate_state import neighbour

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from orchestrator.forecast.simulation.benchmark import Benchmark
    from orchestrator.forecast.simulation.synthetic import Backbones, Crossing, Rugged
    from search_spaces.space import Config

    Known = Backbones | Crossing | Recorded | Rugged
    """Benchmarks of which the final values are known without luck."""

BENCHMARKS = {
    "camvid": "orchestrator.forecast.simulation.recorded:camvid",
    "crossing": "orchestrator.forecast.simulation.synthetic:crossing",
    "backbones": "orchestrator.forecast.simulation.synthetic:backbones",
    "rugged": "orchestrator.forecast.simulation.synthetic:rugged",
}
OURS = "cost-aware + expected-improvement"
SYNE_TUNE = "Syne Tune MOASHA"
METHODS: dict[str, tuple[str, str]] = {
    "random": ("random", "none"),
    "NSGA-II": ("nsga2", "none"),
    "MO-TPE": ("motpe", "none"),
    "random + ASHA on the learned objective": ("random", "asha"),
    "random + mo-asha": ("random", "mo-asha"),
    "cost-aware, no stopping": ("cost-aware", "none"),
    "cost-aware + mo-asha": ("cost-aware", "mo-asha"),
    OURS: ("cost-aware", "expected-improvement"),
}
RIVALS = tuple(METHODS)[:4]
"""What ours is held against, of the methods that are here."""
OTHERS = (*RIVALS, SYNE_TUNE)
"""All that ours is held against."""


def dense_reference(benchmark: Known, *, samples: int = 20_000, rounds: int = 40) -> float:
    """Return the hypervolume of the best noise-free final values that a long search finds."""
    rng = np.random.default_rng(0)
    names = [objective.name for objective in benchmark.objectives[1:]]
    configs = [benchmark.space.sample(rng) for _ in range(samples)]
    points = _points(benchmark, configs, names)
    for _ in range(rounds):
        front = pareto_front(points, benchmark.objectives)
        kept = [configs[i] for i in front]
        near = [
            neighbour(
                benchmark.space,
                kept[int(rng.integers(len(kept)))],
                rng,
                width=rng.choice([0.1, 0.02]),
            )
            for _ in range(2000)
        ]
        configs = kept + near
        points = np.vstack([points[front], _points(benchmark, near, names)])
    return hypervolume(points, benchmark.objectives, benchmark.reference_point)


def _points(benchmark: Known, configs: list[Config], names: list[str]) -> NDArray[np.float64]:
    if isinstance(benchmark, Recorded):
        benchmark.ask(configs)
    known = np.array([[benchmark.known(config)[name] for name in names] for config in configs])
    finals = np.array([[benchmark.final(config)] for config in configs])
    return np.hstack([finals, known])


def beyond_all_costs(benchmark: Known) -> dict[str, float]:
    """Return the benchmark's reference point with every cost a tenth beyond the largest there is.

    The largest of random configurations stands for it.
    """
    rng = np.random.default_rng(1)
    known = [benchmark.known(benchmark.space.sample(rng)) for _ in range(3000)]
    reference = dict(benchmark.reference_point)
    for objective in benchmark.objectives[1:]:
        values = [each[objective.name] for each in known]
        reference[objective.name] = max(values) + (max(values) - min(values)) / 10
    return reference


def load(name: str, given: argparse.Namespace) -> Known:
    """Return a benchmark, by ``--no-reference-point`` with the reference point beyond all costs."""
    benchmark: Known = load_benchmark(BENCHMARKS[name])  # type: ignore[assignment]
    if given.no_reference_point:
        benchmark = copy.copy(benchmark)
        object.__setattr__(benchmark, "reference_point", beyond_all_costs(benchmark))
    return benchmark


def summary(results: list[SeedResult], reference: float, target: float | None) -> dict[str, float]:
    """Return mean figures over seeds; ``target`` is a hypervolume whose time is wanted."""
    volumes = [result.hypervolume / reference for result in results]
    figures = {
        "hypervolume": statistics.mean(volumes),
        "deviation": statistics.pstdev(volumes),
        "least": min(volumes),
        "regret": 1 - statistics.mean(volumes),
        "after_a_fifth": statistics.mean(
            result.hypervolume_at(result.virtual_seconds / 5) / reference for result in results
        ),
        "started": statistics.mean(result.started for result in results),
        "completed": statistics.mean(result.completed for result in results),
    }
    if target is not None:
        shares = [
            (result.seconds_to(target * reference) or result.virtual_seconds)
            / result.virtual_seconds
            for result in results
        ]
        figures["budget_share_to_the_best_others_final"] = statistics.median(shares)
    return figures


def machine() -> dict[str, object]:
    """Return what the figures of time were measured on."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text().splitlines()
        model = next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), model)
    return {"cpu": model, "system": platform.system(), "python": platform.python_version()}


def sweep(seed: int, *, benchmark: Benchmark, method: str, given: argparse.Namespace) -> SeedResult:
    """Return one sweep of one of ``METHODS``."""
    searcher, scheduler = METHODS[method]
    return simulate_one(
        benchmark,
        searcher=searcher,
        scheduler=scheduler,
        workers=given.workers,
        budget=given.budget,
        seed=seed,
        with_reference_point=not given.no_reference_point,
    )


def ours(name: str, method: str, given: argparse.Namespace) -> list[SeedResult]:
    """Return the sweeps of one of ``METHODS``."""
    benchmark = load(name, given)
    return [
        sweep(seed, benchmark=benchmark, method=method, given=given) for seed in range(given.seeds)
    ]


def syne_tune(name: str, given: argparse.Namespace) -> list[SeedResult]:
    """Return the sweeps of Syne Tune, which has an environment of its own."""
    script = Path(__file__).with_name("syne_tune_moasha.py")
    options = {"seeds": given.seeds, "workers": given.workers, "budget": given.budget}
    done = subprocess.run(
        [
            str(given.syne_tune),
            str(script),
            BENCHMARKS[name],
            *(f"--{option}={value}" for option, value in options.items()),
        ],
        env={**os.environ, "PYTHONPATH": str(script.parents[1])},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    seeds = json.loads(done.stdout)["seeds"]
    return [SeedResult(**{**seed, "curve": tuple(map(tuple, seed["curve"]))}) for seed in seeds]


def run(name: str, given: argparse.Namespace) -> dict[str, object]:
    """Return the figures of every method on one benchmark."""
    reference = dense_reference(load(name, given))
    figures: dict[str, dict[str, float]] = {}
    methods = [*([SYNE_TUNE] if given.syne_tune else []), *given.methods]
    for method in methods:
        began = time.process_time()
        theirs = method == SYNE_TUNE
        results = syne_tune(name, given) if theirs else ours(name, method, given)
        cpu = time.process_time() - began
        target = None
        if method == OURS and any(other in figures for other in OTHERS):
            target = max(figures[other]["hypervolume"] for other in OTHERS if other in figures)
        found = summary(results, reference, target)
        if not theirs:
            found["cpu_ms_per_trial"] = 1000 * cpu / sum(result.started for result in results)
        figures[method] = found
        print(f"{name:10} {method:40} {json.dumps(found)}", flush=True)
    compared: dict[str, object] = {"reference_hypervolume": reference, "methods": figures}
    others = [figures[other]["regret"] for other in OTHERS if other in figures]
    if others and OURS in figures:
        compared["regret_ratio"] = figures[OURS]["regret"] / min(others)
    return compared


def sweep_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that every script with these sweeps has."""
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--budget", type=float, default=30)
    parser.add_argument(
        "--no-reference-point",
        "--untold",
        action="store_true",
        help="give searcher and scheduler no reference point",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    sweep_options(parser)
    parser.add_argument("--benchmarks", nargs="+", default=list(BENCHMARKS), choices=BENCHMARKS)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--syne-tune", type=Path, default=None, metavar="PYTHON")
    parser.add_argument("--out", type=Path, default=None)
    given = parser.parse_args()
    if given.no_reference_point and given.syne_tune:
        parser.error(
            "--no-reference-point excludes --syne-tune, which measures from the benchmark's point"
        )
    report = {
        "machine": machine(),
        "seeds": given.seeds,
        "workers": given.workers,
        "budget": given.budget,
        "no_reference_point": given.no_reference_point,
        "benchmarks": {name: run(name, given) for name in given.benchmarks},
    }
    if given.out is not None:
        given.out.write_text(json.dumps(report, indent=1) + "\n")
    for name, found in report["benchmarks"].items():
        if "regret_ratio" in found:
            print(f"{name}: regret {found['regret_ratio']:.2f} of the best other's")


if __name__ == "__main__":
    main()
