"""Configurations that cannot reach the front, told from the trials that are complete."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from orchestrator.ledger.events import TrialAsked, TrialEnded, TrialProfiled
from orchestrator.search.searchers.encoding import Encoder
from search_spaces.space import config_digest

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.spec.objectives import Objective
    from search_spaces.domains import Value
    from search_spaces.space import Config, SearchSpace

LEARNED = "miou"
"""The objective that only training tells."""
CHECKS = 10
"""Complete trials whose mIoU was compared with what was expected of them before any bound."""
WINDOW = 100
"""Latest comparisons that count."""
MARGIN = 1.25
"""Factor on the largest surprise among them."""
LEAST_MARGIN = 0.02
"""Smallest distance of a bound from what is expected, in mIoU."""
RIDGE = 3.0
"""Weight of the assumption that nothing matters, in trials."""
STREAK = 20
"""Configurations settled in a row before one is trained all the same, to check the bound."""
COST_SCALE = math.log(16.0)
"""Logarithmic difference of a cost that is as large as two different categories."""
VERDICT = "dominated"
"""First word of a verdict."""
VERDICTS = (VERDICT, "hopeless")
"""First words that mark a trial as settled by this rule; the second one is in older ledgers."""


@dataclass(frozen=True, slots=True)
class _Complete:
    """A complete trial with its figures."""

    trial_id: str
    score: float
    costs: tuple[float, ...]


class DominatedBound:
    """Bounds the mIoU of a configuration; settles one whose bound a complete trial dominates.

    A regression over the complete trials says what to expect of a configuration and how far it is
    from all of them. The bound lies above that by 1.25 times the largest amount by which one of the
    last hundred surpassed what was expected of it beforehand, and by more where less is known;
    there is none before ten such comparisons. All state comes from ``observe``.

    Source: Burnaev, Vovk 2014, Efficiency of Conformalized Ridge Regression, for margins from
    residuals; in the order of arrival, so that no trial judges itself.
    """

    def __init__(
        self,
        space: SearchSpace,
        objectives: Sequence[Objective],
        *,
        exempt: Collection[str] = (),
    ) -> None:
        """Take what the trials are about.

        Args:
            space: What may be tried.
            objectives: Those besides mIoU are the costs.
            exempt: Digests of configurations that are never settled.
        """
        self._exempt = frozenset(exempt)
        self._space = space
        self._encoder = Encoder(space)
        self._costs = tuple(o for o in objectives if o.name != LEARNED)
        self._asked: dict[str, tuple[Config, dict[str, float]]] = {}
        self._regression = _Regression(1 + 2 * (self._encoder.width + len(self._costs)))
        self._surprises: deque[float] = deque(maxlen=WINDOW)
        self._front: list[_Complete] = []
        self._origin: list[float] | None = None
        self._streak = 0

    def verdict(self, config: Config, metrics: Mapping[str, float]) -> str | None:
        """Return why ``config`` cannot reach the front, with both figures; None where it may.

        Args:
            config: A configuration.
            metrics: What is known of it; without all of the costs it is not judged.
        """
        costs = self._cost_values(metrics)
        if costs is None or self._streak >= STREAK or config_digest(config) in self._exempt:
            return None
        bound = self.bound(config, metrics)
        if bound is None:
            return None
        winner = self._dominator(bound, costs)
        if winner is None:
            return None
        return (
            f"{VERDICT}: {LEARNED} of at most {bound:.3f}{_words(self._costs, costs)} expected, "
            f"and {winner.trial_id} has {winner.score:.3f}{_words(self._costs, winner.costs)}"
        )

    def bound(self, config: Config, metrics: Mapping[str, float]) -> float | None:
        """Return an mIoU that ``config`` will hardly surpass; None where too little is known."""
        costs = self._cost_values(metrics)
        if costs is None or len(self._surprises) < CHECKS or self._space.faults(config):
            return None
        expected, spread = self._regression.expect(self._features(config, costs))
        return expected + max(LEAST_MARGIN, spread * MARGIN * max(self._surprises))

    def observe(self, event: SweepEvent) -> None:
        """Take note of one event; events come in ledger order, each once."""
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
        settled = event.state == "infeasible" and event.reason.startswith(VERDICTS)
        if settled:
            self._streak += 1
        elif event.state != "infeasible":
            self._streak = 0
        config, known = self._asked.pop(event.trial_id, (None, {}))
        if event.state != "complete" or config is None or self._space.faults(config):
            return
        costs = self._cost_values({**known, **event.metrics})
        miou = event.metrics.get(LEARNED, math.nan)
        if costs is None or not math.isfinite(miou):
            return
        if self._origin is None:
            self._origin = _logarithms(costs)
        features = self._features(config, costs)
        expected, spread = self._regression.expect(features)
        if self._regression.count:
            self._surprises.append((miou - expected) / spread)
        self._regression.add(features, miou)
        self._enter(_Complete(event.trial_id, miou, tuple(costs)))

    def _enter(self, one: _Complete) -> None:
        """Add a complete trial to the front, which drops those that it dominates."""
        if any(self._beats(each, one.score, one.costs) for each in self._front):
            return
        self._front = [each for each in self._front if not self._beats(one, each.score, each.costs)]
        self._front.append(one)

    def _dominator(self, bound: float, costs: Sequence[float]) -> _Complete | None:
        """Return the complete trial with the highest mIoU of those that dominate the bound."""
        found = [each for each in self._front if self._beats(each, bound, costs)]
        return max(found, key=lambda each: each.score, default=None)

    def _beats(self, one: _Complete, score: float, costs: Sequence[float]) -> bool:
        """Whether ``one`` is nowhere worse than the figures and somewhere better."""
        better = one.score > score
        for objective, own, other in zip(self._costs, one.costs, costs, strict=True):
            gain = own - other if objective.direction == "maximize" else other - own
            if gain < 0:
                return False
            better = better or gain > 0
        return better and one.score >= score

    def _features(self, config: Mapping[str, Value], costs: Sequence[float]) -> NDArray[np.float64]:
        """Return a one, the settings, the costs' logarithms, the squares of both."""
        scaled = _logarithms(costs)
        moved = [own - zero for own, zero in zip(scaled, self._origin or scaled, strict=True)]
        place = np.concatenate([self._encoder.encode(config), moved])
        return np.concatenate([[1.0], place, place * place])

    def _cost_values(self, metrics: Mapping[str, float]) -> list[float] | None:
        values = [metrics.get(each.name, math.nan) for each in self._costs]
        return values if all(map(math.isfinite, values)) else None


class _Regression:
    """Ridge regression that takes its rows one by one."""

    def __init__(self, width: int) -> None:
        self._inverse = np.eye(width) / RIDGE
        self._moment = np.zeros(width)
        self._mean = 0.0
        self.count = 0

    def expect(self, row: NDArray[np.float64]) -> tuple[float, float]:
        """Return the value to expect, with how much wider than a close one's its error is, >= 1."""
        reach = self._inverse @ row
        return self._mean + float(reach @ self._moment), math.sqrt(1.0 + float(row @ reach))

    def add(self, row: NDArray[np.float64], value: float) -> None:
        """Take in one row with its value (Sherman and Morrison's update)."""
        if not self.count:
            self._mean = value
        reach = self._inverse @ row
        self._inverse -= np.outer(reach, reach) / (1.0 + row @ reach)
        self._moment += row * (value - self._mean)
        self.count += 1


def _logarithms(costs: Sequence[float]) -> list[float]:
    return [math.log(max(abs(cost), 1e-12)) / COST_SCALE for cost in costs]


def _words(costs: Sequence[Objective], values: Sequence[float]) -> str:
    named = [f"{o.name} = {value:g}" for o, value in zip(costs, values, strict=True)]
    return f" with {', '.join(named)}" if named else ""
