"""Sweeps on a virtual clock: the same searchers and schedulers, no training."""

from orchestrator.forecast.simulation.benchmark import Benchmark, BenchmarkError, load_benchmark
from orchestrator.forecast.simulation.outcome import SeedResult, SimulationResult
from orchestrator.forecast.simulation.run import simulate

__all__ = [
    "Benchmark",
    "BenchmarkError",
    "SeedResult",
    "SimulationResult",
    "load_benchmark",
    "simulate",
]
