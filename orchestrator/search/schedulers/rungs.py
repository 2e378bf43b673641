"""Rungs: the epochs at which a scheduler compares trials, and how it ranks them there."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from orchestrator.ledger.events import EpochReported, TrialAsked, TrialEnded, TrialProfiled
from orchestrator.search.hypervolume_improvement import CostCells, default_cost_bounds
from orchestrator.search.pareto import as_minimised, crowding_distance, non_dominated_ranks
from orchestrator.search.schedulers.base import Action, Decision
from orchestrator.spec.objectives import Objective

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from orchestrator.ledger.events import SweepEvent

    Array = NDArray[np.float64]


REFERENCE_QUANTILE = 0.8
"""Quantile of the curve objective at a rung that is its reference value; worse ones add nothing."""
FIRST_STD = 0.5
"""Standard deviation of a curve objective's change until full training, at the first epoch, in
units of the distance between the rung's best tenth and its median."""
LAST_STD = 0.1
"""Share of ``FIRST_STD`` that is added at every epoch, so that some is left at full training."""


class Ranking:
    """Ranks trials by the hypervolume that each adds to that of the others.

    With one curve objective and known costs, the value is an expected hypervolume improvement: the
    curve objective is uncertain, more so at early rungs, where learning curves still cross.
    Non-dominated sorting alone would keep the cheapest trials, however bad their curve. Without a
    reference value for every objective, the best curve objective ranks first at any cost, and costs
    count up to slightly beyond the rung's largest.

    With several curve objectives, or before any cost is known, trials are sorted by non-dominated
    rank, then by crowding distance. Ties keep their order. Trials with NaN are last. Objectives
    without a value of any trial are left out.

    Source: Schmucker et al. 2021, Multi-objective Asynchronous Successive Halving (ranks); Deb et
    al. 2002, NSGA-II (crowding distance).
    """

    def __init__(
        self,
        objectives: Sequence[Objective],
        *,
        max_epochs: int,
        reference_point: Mapping[str, float] | None = None,
    ) -> None:
        self._objectives = tuple(objectives)
        self._log_epochs = math.log(max(2, max_epochs))
        self._reference = dict(reference_point or {})

    def order(
        self, values: Sequence[Sequence[float]], *, epochs: int, curve_objectives: Collection[str]
    ) -> NDArray[np.intp]:
        """Return the n row indices, best first.

        Args:
            values: n rows, one column per objective.
            epochs: epochs of the rung.
            curve_objectives: names of the objectives that epochs report.
        """
        rows = np.array(values, dtype=np.float64).reshape(len(values), len(self._objectives))
        present = np.asarray(~np.isnan(rows).all(axis=0), dtype=bool)
        objectives = [o for o, has in zip(self._objectives, present, strict=True) if has]
        if not objectives:
            return np.arange(len(rows))
        rows = as_minimised(rows[:, present], objectives)
        has_nan = np.isnan(rows).any(axis=1)
        complete = np.flatnonzero(~has_nan)
        columns = [i for i, o in enumerate(objectives) if o.name in curve_objectives]
        if len(columns) == 1 and len(objectives) > 1:
            order = self._by_improvement(rows[complete], objectives, columns[0], epochs)
        else:
            order = _by_rank(rows[complete], objectives)
        return np.concatenate([complete[order], np.flatnonzero(has_nan)])

    @property
    def keeps_best(self) -> bool:
        """Whether the best curve objective ranks first, as there is no full reference point."""
        return not self._reference.keys() >= {objective.name for objective in self._objectives}

    def _by_improvement(
        self, rows: Array, objectives: Sequence[Objective], column: int, epochs: int
    ) -> NDArray[np.intp]:
        """Return the order of minimised rows by the hypervolume that each adds to the others."""
        y, costs = rows[:, column], np.delete(rows, column, axis=1)
        low = costs.min(axis=0)
        high = default_cost_bounds(low, costs.max(axis=0))
        for i, objective in enumerate(o for j, o in enumerate(objectives) if j != column):
            if objective.name in self._reference:
                sign = -1.0 if objective.direction == "maximize" else 1.0
                high[i] = sign * self._reference[objective.name]
        cells = CostCells(np.minimum(low, high), np.where(high > low, high, low + 1.0))
        good, median, reference = np.quantile(y, [0.1, 0.5, REFERENCE_QUANTILE])
        remaining = 1.0 - math.log(max(1, epochs)) / self._log_epochs + LAST_STD
        std = FIRST_STD * max(float(median - good), 1e-9) * remaining
        others = cells.best_of_others(y, costs, float(reference))
        gain = cells.expected_improvement(y, np.full(len(y), std), costs, others)
        behind = np.zeros(len(y), dtype=bool)
        if self.keeps_best:
            behind[np.lexsort((-gain, y))[1:]] = True
        order: NDArray[np.intp] = np.lexsort((y, -gain, behind))
        return order


def _by_rank(rows: Array, objectives: Sequence[Objective]) -> NDArray[np.intp]:
    """Return the order of minimised rows by non-dominated rank, crowding distance, position."""
    minimised = [Objective(o.name, "minimize") for o in objectives]
    ranks = non_dominated_ranks(rows, minimised)
    distance = np.zeros(len(rows))
    for rank, size in zip(*np.unique(ranks, return_counts=True), strict=True):
        if size > 1:
            members = np.flatnonzero(ranks == rank)
            distance[members] = crowding_distance(rows[members], minimised)
    order: NDArray[np.intp] = np.lexsort((np.arange(len(rows)), -distance, ranks))
    return order


class TrialMetrics:
    """Holds the latest costs and the best value so far of each objective that epochs report."""

    def __init__(self, objectives: Sequence[Objective]) -> None:
        self._objectives = tuple(objectives)
        self._metrics: dict[str, dict[str, float]] = {}
        self.curve_objectives: set[str] = set()
        """Names of the objectives that epochs report."""

    def observe(self, event: SweepEvent) -> None:
        """Update the state by one event; measured costs replace known ones."""
        match event:
            case TrialAsked():
                self._metrics[event.trial_id] = self._objectives_in(event.known)
            case TrialProfiled():
                known = self._metrics.setdefault(event.trial_id, {})
                known.update(self._objectives_in(event.metrics))
            case EpochReported():
                self._report(event)
            case TrialEnded() if event.state != "preempted":
                self._metrics.pop(event.trial_id, None)
            case _:
                pass

    def has_nan(self, trial_id: str) -> bool:
        """Whether the trial has an objective that was NaN whenever it was reported."""
        return any(math.isnan(value) for value in self._metrics.get(trial_id, {}).values())

    def values(self, trial_id: str) -> tuple[float, ...]:
        """Return the trial's value of each objective; NaN where it has none yet."""
        metrics = self._metrics.get(trial_id, {})
        return tuple(metrics.get(objective.name, math.nan) for objective in self._objectives)

    def _report(self, event: EpochReported) -> None:
        metrics = self._metrics.setdefault(event.trial_id, {})
        for name, value in self._objectives_in(event.metrics).items():
            self.curve_objectives.add(name)
            best = metrics.get(name, math.nan)
            if math.isnan(best) or math.isnan(value):
                metrics[name] = value if math.isnan(best) else best
            else:
                metrics[name] = self._better(name, value, best)

    def _better(self, name: str, a: float, b: float) -> float:
        direction = next(o.direction for o in self._objectives if o.name == name)
        return min(a, b) if direction == "minimize" else max(a, b)

    def _objectives_in(self, metrics: Mapping[str, float]) -> dict[str, float]:
        return {o.name: metrics[o.name] for o in self._objectives if o.name in metrics}


WINDOW = 30
"""Latest trials that a rung compares. A model-based searcher improves during the sweep, so among
all trials its latest ones would nearly always rank first."""
PAST_TENSES = {"continue": "continued", "stop": "stopped", "pause": "paused"}


class Rung:
    """The latest trials that reached one rung, with their objectives as they were then."""

    def __init__(self, epochs: int, ranking: Ranking, metrics: TrialMetrics) -> None:
        self.epochs = epochs
        self._ranking = ranking
        self._metrics = metrics
        self._values: dict[str, tuple[float, ...]] = {}
        self._order: list[str] | None = None
        self.arrivals = 0
        """Number of trials that ever reached the rung."""

    def __contains__(self, trial_id: str) -> bool:
        """Whether the trial is among the rung's latest ones."""
        return trial_id in self._values

    def __len__(self) -> int:
        return len(self._values)

    def add(self, trial_id: str) -> None:
        """Add a trial with its current objectives; drop the oldest one of a full window."""
        self._values[trial_id] = self._metrics.values(trial_id)
        self._order = None
        self.arrivals += 1
        if len(self._values) > WINDOW:
            del self._values[next(iter(self._values))]

    def order(self) -> list[str]:
        """Return the trials, best first."""
        if self._order is None:
            ids = list(self._values)
            rows = list(self._values.values())
            indices = self._ranking.order(
                rows, epochs=self.epochs, curve_objectives=self._metrics.curve_objectives
            )
            self._order = [ids[i] for i in indices]
        return self._order

    def rank(self, trial_id: str) -> int:
        """Return the trial's rank, 1 for the best."""
        return self.order().index(trial_id) + 1

    def decision(self, action: Action, trial_id: str, why: str) -> Decision:
        """Return the decision on a trial of the rung, with ``why`` as the end of its reason."""
        rank = self.rank(trial_id)
        return Decision(
            action=action,
            rung=self.epochs,
            rank=rank,
            of=len(self),
            reason=rung_reason(action, self.epochs, rank, len(self), why),
        )


def rung_reason(action: Action, epochs: int, rank: int, of: int, why: str) -> str:
    """Return the reason of a decision at a rung as text."""
    return f"{PAST_TENSES[action]} at rung {epochs}: rank {rank} of {of}, {why}"


def rung_epochs(*, grace_period: int, reduction_factor: float, max_epochs: int) -> tuple[int, ...]:
    """Return the rungs in increasing order, in epochs, all below ``max_epochs``.

    The first rung is the grace period; each next one has ``reduction_factor`` times as many epochs,
    rounded.

    Raises:
        ValueError: a grace period or a full training below 1 epoch, or a factor not above 1.
    """
    if not grace_period >= 1:
        raise ValueError(f"the grace period must be at least 1 epoch, got {grace_period}")
    if not reduction_factor > 1:
        raise ValueError(f"the reduction factor must be above 1, got {reduction_factor}")
    if not max_epochs >= 1:
        raise ValueError(f"a full training must have at least 1 epoch, got {max_epochs}")
    rungs: list[int] = []
    level = float(grace_period)
    while round(level) < max_epochs:
        if not rungs or round(level) > rungs[-1]:
            rungs.append(round(level))
        level *= reduction_factor
    return tuple(rungs)
