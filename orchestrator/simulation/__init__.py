"""Sweeps on a virtual clock: the same searchers and schedulers, no training."""

from orchestrator.simulation.benchmark import Benchmark, BenchmarkError
from orchestrator.simulation.load import load_benchmark
from orchestrator.simulation.result import SeedResult, SimulationResult
from orchestrator.simulation.run import simulate

__all__ = [
    "Benchmark",
    "BenchmarkError",
    "SeedResult",
    "SimulationResult",
    "load_benchmark",
    "simulate",
]
