"""Sweeps on a virtual clock: the same searchers and schedulers, no training."""

from orchestrator.forecast.simulation.benchmark import Benchmark, BenchmarkError
from orchestrator.forecast.simulation.load import load_benchmark
from orchestrator.forecast.simulation.result import SeedResult, SimulationResult
from orchestrator.forecast.simulation.run import simulate

__all__ = [
    "Benchmark",
    "BenchmarkError",
    "SeedResult",
    "SimulationResult",
    "load_benchmark",
    "simulate",
]
