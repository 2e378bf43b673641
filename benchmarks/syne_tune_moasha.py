"""Syne Tune's MOASHA on our virtual clock, in an environment of its own.

    uv venv syne && uv pip install --python syne/bin/python syne-tune moocore numpy scikit-learn
    PYTHONPATH=. syne/bin/python benchmarks/syne_tune_moasha.py MODULE:ATTRIBUTE --seeds 10

Prints what ``segsweep simulate --json`` prints. MOASHA proposes at random, so proposals are
those of our random searcher, which knows conditional dimensions; what is Syne Tune's is every
decision to stop. Its global NumPy generator is seeded per sweep.
"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

import numpy as np
from syne_tune.backend.trial_status import Trial
from syne_tune.optimizer.scheduler import SchedulerDecision
from syne_tune.optimizer.schedulers.multiobjective.moasha import MOASHA

from orchestrator.forecast.simulation.benchmark import load_benchmark, objectives_of
from orchestrator.forecast.simulation.outcome import SimulationResult
from orchestrator.forecast.simulation.run import benchmark_setup, simulate_setup
from orchestrator.ledger.events import EpochReported, TrialAsked
from orchestrator.search.schedulers.base import CONTINUE, Decision

if TYPE_CHECKING:
    from orchestrator.forecast.simulation.benchmark import Benchmark
    from orchestrator.forecast.simulation.outcome import SeedResult
    from orchestrator.ledger.events import SweepEvent


class Moasha:
    """Our scheduler's contract, kept by Syne Tune."""

    def __init__(self, benchmark: Benchmark) -> None:
        objectives = objectives_of(benchmark)
        self._signs = {o.name: 1.0 if o.direction == "minimize" else -1.0 for o in objectives}
        self._theirs = MOASHA(
            config_space={},
            metrics=list(self._signs),
            do_minimize=True,
            time_attr="epoch",
            max_t=benchmark.max_epochs,
        )
        self._trials: dict[str, Trial] = {}
        self._known: dict[str, dict[str, float]] = {}
        self._verdicts: dict[str, str] = {}

    def observe(self, event: SweepEvent) -> None:
        """Pass proposals and epochs on."""
        if isinstance(event, TrialAsked):
            trial = Trial(trial_id=event.number, config=dict(event.config), creation_time=None)
            self._trials[event.trial_id] = trial
            self._known[event.trial_id] = dict(event.known)
            self._theirs.on_trial_add(trial)
        elif isinstance(event, EpochReported):
            values = {**self._known[event.trial_id], **event.metrics}
            result = {name: sign * values[name] for name, sign in self._signs.items()}
            verdict = self._theirs.on_trial_result(
                self._trials[event.trial_id], {"epoch": event.epoch, **result}
            )
            self._verdicts[event.trial_id] = verdict

    def decide(self, trial_id: str) -> Decision:
        """Return what Syne Tune said to the trial's last epoch."""
        if self._verdicts[trial_id] == SchedulerDecision.CONTINUE:
            return CONTINUE
        return Decision(action="stop", reason="stopped by MOASHA")

    def promote(self) -> str | None:
        """Return None, as nothing is paused."""
        return None


def simulate_one(benchmark: Benchmark, *, workers: int, budget: float, seed: int) -> SeedResult:
    """Return one sweep."""
    np.random.seed(seed)  # noqa: NPY002 - the one they draw from
    setup = benchmark_setup(benchmark, searcher="random", scheduler="none", seed=seed)
    return simulate_setup(
        benchmark, setup, workers=workers, budget=budget, scheduler=Moasha(benchmark)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("benchmark", metavar="MODULE:ATTRIBUTE")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--budget", type=float, default=30)
    given = parser.parse_args()
    benchmark = load_benchmark(given.benchmark)
    results = [
        simulate_one(benchmark, workers=given.workers, budget=given.budget, seed=seed)
        for seed in range(given.seeds)
    ]
    print(json.dumps(SimulationResult(seeds=tuple(results)).to_json()))


if __name__ == "__main__":
    main()
