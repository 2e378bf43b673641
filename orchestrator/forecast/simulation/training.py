"""Simulated trainings of a benchmark's configurations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from orchestrator.forecast.simulation.benchmark import (
    BenchmarkError,
    curve_of,
    known_of,
    measured_of,
    objectives_of,
)
from orchestrator.lanes.simulated import SimulatedTraining
from search_spaces.space import config_digest

if TYPE_CHECKING:
    from orchestrator.forecast.simulation.benchmark import Benchmark
    from orchestrator.ledger.events import TrialAsked


class BenchmarkTrainings:
    """Returns the training of each trial; the same for the same configuration and seed."""

    def __init__(self, benchmark: Benchmark, *, seed: int, learned: str | None = None) -> None:
        """Take the benchmark.

        Args:
            benchmark: What is searched.
            seed: Seed of the curves' noise, >= 0.
            learned: Name of the metric that ``curve`` returns; the first objective where None.

        Raises:
            ValueError: The objectives break the protocol.
        """
        names = [objective.name for objective in objectives_of(benchmark)]
        self._benchmark = benchmark
        self._seed = seed
        self._learned = names[0] if learned is None else learned
        self._costs = tuple(name for name in names if name != self._learned)

    def __call__(self, asked: TrialAsked) -> SimulatedTraining:
        """Return the training of a trial.

        Raises:
            BenchmarkError: The benchmark raises an error or breaks the protocol.
        """
        config = asked.config
        known, measured = known_of(self._benchmark, config), measured_of(self._benchmark, config)
        missing = [name for name in self._costs if name not in known and name not in measured]
        if missing:
            raise BenchmarkError(
                f"known() and measured() together must return every objective but "
                f"{self._learned}; {', '.join(missing)} is missing for {config}"
            )
        noise = np.random.SeedSequence((self._seed, int(config_digest(config), 16)))
        values, durations = curve_of(self._benchmark, config, int(noise.generate_state(1)[0]))
        measurement = self._measurement_seconds(durations[0]) if measured else 0.0
        return SimulatedTraining(
            epochs=[{self._learned: value} for value in values.tolist()],
            seconds=[float(durations[0]) - measurement, *durations[1:].tolist()],
            known=known,
            measured=measured,
            measurement_seconds=measurement,
        )

    def _measurement_seconds(self, first_epoch: float) -> float:
        seconds = float(getattr(self._benchmark, "measurement_seconds", 0.0))
        if not 0 <= seconds <= first_epoch:
            raise BenchmarkError(
                f"measurement_seconds must be part of the first epoch's {first_epoch:g} s, "
                f"got {seconds:g}"
            )
        return seconds
