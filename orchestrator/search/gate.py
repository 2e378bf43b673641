"""The cost gate: which trials are ruled out before their first epoch."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from orchestrator.ledger.events import TrialAsked, TrialEnded, TrialProfiled
from orchestrator.search.searchers.encoding import Encoder
from search_spaces.space import config_digest
from trainables.session.messages import UNDISTURBED

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.spec.objectives import Constraint, Objective
    from search_spaces.domains import Value
    from search_spaces.space import Config, SearchSpace


class CostGate:
    """Rules out configurations that break a constraint or cannot reach the Pareto front.

    Args:
        constraints: Bounds that every trial must keep.
        static_costs: Metrics of a configuration that need no training and no measurement.
        dominated_bound: Rule for configurations that cannot reach the front; None judges the
            constraints alone.
    """

    def __init__(
        self,
        constraints: Sequence[Constraint],
        static_costs: Callable[[Config], Mapping[str, float]],
        dominated_bound: DominatedBound | None = None,
    ) -> None:
        self._constraints = tuple(constraints)
        self._static_costs = static_costs
        self._dominated_bound = dominated_bound

    def known(self, config: Config) -> Mapping[str, float]:
        """Return the metrics of ``config`` that need no training and no measurement."""
        return self._static_costs(config)

    def judge(self, metrics: Mapping[str, float], config: Config | None = None) -> str | None:
        """Return why a trial is ruled out; None where it is not.

        Args:
            metrics: The trial's metrics before its first epoch. A constraint on a missing metric is
                not judged. NaN breaks a constraint.
            config: Its configuration; None judges the constraints alone.
        """
        metrics = _without_disturbed_latencies(metrics)
        broken = [
            f"{c.metric} = {metrics[c.metric]:g} breaks {c}"
            for c in self._constraints
            if c.metric in metrics and not c.holds(metrics[c.metric])
        ]
        if broken:
            return "; ".join(broken)
        if self._dominated_bound is None or config is None:
            return None
        return self._dominated_bound.verdict(config, metrics)

    def observe(self, event: SweepEvent) -> None:
        """Update the state by one event; events come in ledger order, each once."""
        if self._dominated_bound is not None:
            self._dominated_bound.observe(event)


def _without_disturbed_latencies(metrics: Mapping[str, float]) -> Mapping[str, float]:
    # A latency measured under disturbance is too high. The final checks measure it again.
    if metrics.get(UNDISTURBED, 1.0) == 1.0:
        return metrics
    return {k: v for k, v in metrics.items() if not k.startswith("latency_")}


BOUNDED = "miou"
"""The objective that is bounded: the only one that needs training."""
MIN_RESIDUALS = 10
"""Residuals of complete trials before the first bound."""
MAX_RESIDUALS = 100
"""Latest residuals that count."""
RESIDUAL_FACTOR = 1.25
"""Factor on the largest of them."""
MIN_MARGIN = 0.02
"""Smallest distance of a bound from the prediction, in mIoU."""
RIDGE = 3.0
"""Weight of the prior that no setting has an effect, in trials."""
MAX_CONSECUTIVE = 20
"""Configurations ruled out in a row before one is trained anyway, to check the bound."""
COST_SCALE = math.log(16.0)
"""Difference of two logarithmic costs that counts as much as two different categories."""
VERDICT = "dominated"
"""First word of a verdict."""
VERDICTS = (VERDICT, "hopeless")
"""First words that mark a trial as ruled out by this rule; the second is that of older ledgers."""


@dataclass(frozen=True, slots=True)
class _CompleteTrial:
    trial_id: str
    miou: float
    costs: tuple[float, ...]


class DominatedBound:
    """Rules out a configuration whose upper bound on mIoU a complete trial dominates.

    A ridge regression over the complete trials predicts a configuration's mIoU and the scale of its
    error. The bound is the prediction plus 1.25 times that scale times the largest of the last 100
    residuals, each taken before its trial entered the regression. There is no bound before ten
    residuals. All state comes from ``observe``.

    Source: Burnaev, Vovk 2014, Efficiency of Conformalized Ridge Regression (margins from
    residuals; here in the order of arrival, so that no trial takes part in its own prediction).

    Args:
        space: The search space.
        objectives: All but mIoU are costs.
        exempt: Digests of configurations that are never ruled out.
    """

    def __init__(
        self,
        space: SearchSpace,
        objectives: Sequence[Objective],
        *,
        exempt: Collection[str] = (),
    ) -> None:
        self._exempt = frozenset(exempt)
        self._space = space
        self._encoder = Encoder(space)
        self._costs = tuple(o for o in objectives if o.name != BOUNDED)
        self._asked: dict[str, tuple[Config, dict[str, float]]] = {}
        self._regression = _Regression(1 + 2 * (self._encoder.width + len(self._costs)))
        self._residuals: deque[float] = deque(maxlen=MAX_RESIDUALS)
        self._front: list[_CompleteTrial] = []
        self._origin: list[float] | None = None
        self._consecutive = 0

    def verdict(self, config: Config, metrics: Mapping[str, float]) -> str | None:
        """Return why ``config`` cannot reach the front, with both trials' figures; else None.

        Args:
            config: A configuration.
            metrics: Its metrics before training. One that lacks a cost, or has a cost that is not
                finite, is not judged.
        """
        costs = self._cost_values(metrics)
        exempt = self._consecutive >= MAX_CONSECUTIVE or config_digest(config) in self._exempt
        bound = None if costs is None or exempt else self.bound(config, metrics)
        if costs is None or bound is None:
            return None
        dominator = self._dominator(bound, costs)
        if dominator is None:
            return None
        return (
            f"{VERDICT}: {BOUNDED} of at most {bound:.3f}{_text(self._costs, costs)} expected; "
            f"{dominator.trial_id} has {dominator.miou:.3f}{_text(self._costs, dominator.costs)}"
        )

    def bound(self, config: Config, metrics: Mapping[str, float]) -> float | None:
        """Return an upper bound on the mIoU of ``config``; None where there is no bound yet."""
        costs = self._cost_values(metrics)
        if costs is None or len(self._residuals) < MIN_RESIDUALS or self._space.faults(config):
            return None
        predicted, scale = self._regression.predict(self._features(config, costs))
        return predicted + max(MIN_MARGIN, scale * RESIDUAL_FACTOR * max(self._residuals))

    def observe(self, event: SweepEvent) -> None:
        """Update the state by one event; events come in ledger order, each once."""
        match event:
            case TrialAsked():
                self._asked[event.trial_id] = (event.config, dict(event.known))
            case TrialProfiled() if event.trial_id in self._asked:
                self._asked[event.trial_id][1].update(event.metrics)
            case TrialEnded() if event.state != "preempted":
                self._end(event)
            case _:
                pass

    def _end(self, event: TrialEnded) -> None:
        if event.state != "infeasible":
            self._consecutive = 0
        elif event.reason.startswith(VERDICTS):
            self._consecutive += 1
        config, known = self._asked.pop(event.trial_id, (None, {}))
        if event.state != "complete" or config is None or self._space.faults(config):
            return
        costs = self._cost_values({**known, **event.metrics})
        miou = event.metrics.get(BOUNDED, math.nan)
        if costs is None or not math.isfinite(miou):
            return
        if self._origin is None:
            self._origin = _scaled_logs(costs)
        features = self._features(config, costs)
        predicted, scale = self._regression.predict(features)
        if self._regression.count:
            self._residuals.append((miou - predicted) / scale)
        self._regression.add(features, miou)
        self._add_to_front(_CompleteTrial(event.trial_id, miou, tuple(costs)))

    def _add_to_front(self, trial: _CompleteTrial) -> None:
        """Add a trial to the front unless it is dominated; drop those that it dominates."""
        if any(self._dominates(other, trial.miou, trial.costs) for other in self._front):
            return
        self._front = [t for t in self._front if not self._dominates(trial, t.miou, t.costs)]
        self._front.append(trial)

    def _dominator(self, bound: float, costs: Sequence[float]) -> _CompleteTrial | None:
        """Return the trial with the highest mIoU of those that dominate the bound."""
        dominators = [trial for trial in self._front if self._dominates(trial, bound, costs)]
        return max(dominators, key=lambda trial: trial.miou, default=None)

    def _dominates(self, trial: _CompleteTrial, miou: float, costs: Sequence[float]) -> bool:
        better = trial.miou > miou
        for objective, cost, other in zip(self._costs, trial.costs, costs, strict=True):
            gain = cost - other if objective.direction == "maximize" else other - cost
            if gain < 0:
                return False
            better = better or gain > 0
        return better and trial.miou >= miou

    def _features(self, config: Mapping[str, Value], costs: Sequence[float]) -> NDArray[np.float64]:
        """Return 1, the encoded settings, the logarithmic costs, and the squares of both.

        Logarithmic costs are relative to the first complete trial's, so that they are near 0.
        """
        logs = _scaled_logs(costs)
        relative = [log - zero for log, zero in zip(logs, self._origin or logs, strict=True)]
        linear = np.concatenate([self._encoder.encode(config), relative])
        return np.concatenate([[1.0], linear, linear * linear])

    def _cost_values(self, metrics: Mapping[str, float]) -> list[float] | None:
        values = [metrics.get(objective.name, math.nan) for objective in self._costs]
        return values if all(map(math.isfinite, values)) else None


class _Regression:
    """Ridge regression that is updated row by row."""

    def __init__(self, width: int) -> None:
        self._inverse = np.eye(width) / RIDGE
        self._moment = np.zeros(width)
        self._mean = 0.0
        self.count = 0

    def predict(self, row: NDArray[np.float64]) -> tuple[float, float]:
        """Return the predicted value and the scale of its error, 1 at the rows' centre, >= 1."""
        leverage = self._inverse @ row
        value = self._mean + float(leverage @ self._moment)
        return value, math.sqrt(1.0 + float(row @ leverage))

    def add(self, row: NDArray[np.float64], value: float) -> None:
        """Add one row with its value (Sherman-Morrison update)."""
        if not self.count:
            self._mean = value
        leverage = self._inverse @ row
        self._inverse -= np.outer(leverage, leverage) / (1.0 + row @ leverage)
        self._moment += row * (value - self._mean)
        self.count += 1


def _scaled_logs(costs: Sequence[float]) -> list[float]:
    return [math.log(max(abs(cost), 1e-12)) / COST_SCALE for cost in costs]


def _text(costs: Sequence[Objective], values: Sequence[float]) -> str:
    named = [f"{o.name} = {value:g}" for o, value in zip(costs, values, strict=True)]
    return f" with {', '.join(named)}" if named else ""
