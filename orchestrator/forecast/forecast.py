"""Forecast: what simulated sweeps say that a real one will do."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from orchestrator.forecast.plan import Forecast, Range
from orchestrator.forecast.simulation.clockwork import Clockwork
from orchestrator.forecast.simulation.parallel import results_in_order
from orchestrator.forecast.world import World
from orchestrator.ledger.events import EpochReported, TrialStarted
from orchestrator.spec.baselines.baseline import names_by_digest
from orchestrator.sweep.deciders import gate_of, problem_of, scheduler_of, searcher_of
from orchestrator.sweep.stagnation import Stagnation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from orchestrator.forecast.beliefs import Beliefs
    from orchestrator.forecast.simulation.result import SeedResult
    from orchestrator.ledger.events import SweepEvent
    from orchestrator.search.searchers.base import Searcher
    from orchestrator.spec.objectives import Objective
    from orchestrator.spec.sweep_spec import SweepSpec
    from search_spaces.space import Config

    Watched = Callable[[Iterable["SimulatedSweep"], int], Iterable["SimulatedSweep"]]

INTERVAL = (0.1, 0.5, 0.9)
POINTS = 12
"""Points of the hypervolume's curve."""
FOREVER = 1e12


@dataclass(frozen=True, kw_only=True, slots=True)
class SimulatedSweep:
    """What one simulated sweep did."""

    result: SeedResult
    epochs: int
    """Epochs, over all trials."""
    lane_seconds: float
    """Time in which lanes were busy, summed over them."""


class _Watch:
    """A searcher that also adds up the time on the lanes."""

    def __init__(self, inner: Searcher) -> None:
        self._inner = inner
        self._since: dict[str, float] = {}
        self.busy = 0.0
        self.epochs = 0

    def propose(self, number: int) -> Config | None:
        return self._inner.propose(number)

    def observe(self, event: SweepEvent) -> None:
        self._inner.observe(event)
        if isinstance(event, TrialStarted):
            self._since[event.trial_id] = event.seconds
        elif isinstance(event, EpochReported):
            self.busy += event.seconds - self._since[event.trial_id]
            self._since[event.trial_id] = event.seconds
            self.epochs += 1


def forecast(
    spec: SweepSpec,
    beliefs: Beliefs,
    objectives: Sequence[Objective],
    reference_point: Mapping[str, float],
    *,
    lanes: int,
    simulations: int,
    earlier: Sequence[SweepEvent] = (),
    jobs: int = 1,
    watched: Watched | None = None,
) -> Forecast:
    """Return what ``simulations`` sweeps did, each in a world of its own.

    The searcher, the scheduler, the cost gate and the limits of the budget are those of ``spec``.

    Args:
        spec: What is planned.
        beliefs: What the worlds are drawn from.
        objectives: Those of the spec that a world has a value of.
        reference_point: A value of each, from which the hypervolume is measured.
        lanes: Trials at the same time, >= 1.
        simulations: Number of sweeps, >= 1; their seeds follow that of the spec.
        earlier: Events of earlier sweeps' trials that searcher and scheduler learn from first.
        jobs: Sweeps that are simulated at the same time, >= 1.
        watched: Goes through the simulated sweeps, whose number it is told, to show how far it is.
    """
    simulate = partial(
        _simulate,
        spec=spec,
        beliefs=beliefs,
        objectives=objectives,
        reference_point=reference_point,
        lanes=lanes,
        earlier=earlier,
    )
    seeds = range(spec.search.seed, spec.search.seed + simulations)
    sweeps = results_in_order(simulate, seeds, jobs=jobs)
    done = list(sweeps if watched is None else watched(sweeps, simulations))
    results = [each.result for each in done]
    workers = spec.resources.train_workers
    shares = [(place + 1) / POINTS for place in range(POINTS)]
    return Forecast(
        simulations=simulations,
        trials=_range(each.started for each in results),
        complete=_range(each.completed for each in results),
        stopped=_range(each.stopped for each in results),
        epochs=_range(each.epochs for each in done),
        seconds=_range(each.virtual_seconds for each in results),
        device_hours=_range(each.lane_seconds * workers / 3600 for each in done),
        hypervolume=_range(each.hypervolume for each in results),
        curve=tuple(
            (share, _range(each.hypervolume_at(share * each.virtual_seconds) for each in results))
            for share in shares
        ),
    )


def _simulate(
    seed: int,
    *,
    spec: SweepSpec,
    beliefs: Beliefs,
    objectives: Sequence[Objective],
    reference_point: Mapping[str, float],
    lanes: int,
    earlier: Sequence[SweepEvent],
) -> SimulatedSweep:
    world = World(beliefs, objectives, reference_point, seed=seed)
    problem = problem_of(spec, world.known, objectives=world.objectives, seed=seed, earlier=earlier)
    watch = _Watch(searcher_of(spec, problem))
    hours = spec.budget.device_hours
    lane_seconds = FOREVER if hours is None else hours * 3600 / spec.resources.train_workers
    patience = spec.budget.stagnation_trials
    clockwork = Clockwork(
        world,
        watch,
        scheduler_of(spec, problem),
        seed=seed,
        gate=gate_of(spec, world.known, world.objectives),
        stagnation=Stagnation(
            world.objectives, patience=patience, unseen=names_by_digest(spec.baselines)
        ),
    )
    result = clockwork.run(
        workers=lanes, seconds=lane_seconds / lanes, max_trials=spec.budget.trials
    )
    return SimulatedSweep(result=result, epochs=watch.epochs, lane_seconds=watch.busy)


def _range(values: Iterable[float]) -> Range:
    low, median, high = np.quantile(list(values), INTERVAL)
    return Range(low=float(low), median=float(median), high=float(high))
