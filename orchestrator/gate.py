"""The cost gate: what is settled before the first epoch."""

from __future__ import annotations

import math
import operator
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from trainables.messages import UNDISTURBED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from orchestrator.events import SweepEvent
    from orchestrator.hopeless import HopelessRule
    from search_spaces.space import Config

_OPERATORS = {"<=": operator.le, "<": operator.lt, ">=": operator.ge, ">": operator.gt}


@dataclass(frozen=True, slots=True)
class Constraint:
    """A bound that a metric of a trial must keep."""

    metric: str
    relation: Literal["<=", "<", ">=", ">"]
    bound: float

    @classmethod
    def parse(cls, text: str) -> Constraint:
        """Read ``"latency_ms <= 20"``.

        Raises:
            ValueError: ``text`` is not METRIC RELATION NUMBER.
        """
        match = re.fullmatch(r"\s*([a-z][a-z0-9_]*)\s*(<=|<|>=|>)\s*(\S+)\s*", text)
        try:
            bound = float(match[3]) if match else math.nan
        except ValueError:
            bound = math.nan
        if match is None or not math.isfinite(bound):
            raise ValueError(
                f"{text!r} is no constraint; write METRIC RELATION NUMBER with one of "
                f"{', '.join(_OPERATORS)}, for example 'latency_ms <= 20'"
            )
        return cls(match[1], match[2], bound)  # type: ignore[arg-type]

    def holds(self, value: float) -> bool:
        """Whether ``value`` keeps the bound; NaN does not."""
        return bool(_OPERATORS[self.relation](value, self.bound))

    def __str__(self) -> str:
        return f"{self.metric} {self.relation} {self.bound:g}"


class CostGate:
    """Refuses configurations that break a constraint, or cannot reach the front any more."""

    def __init__(
        self,
        constraints: Sequence[Constraint],
        static_costs: Callable[[Config], Mapping[str, float]],
        hopeless: HopelessRule | None = None,
    ) -> None:
        """Take the rules.

        Args:
            constraints: Bounds that a trial must keep.
            static_costs: Metrics of a configuration that need no training and no measurement.
            hopeless: What tells that a configuration cannot reach the front; None settles broken
                constraints alone.
        """
        self._constraints = tuple(constraints)
        self._static_costs = static_costs
        self._hopeless = hopeless

    def known(self, config: Config) -> Mapping[str, float]:
        """Return the metrics of ``config`` that need no training and no measurement."""
        return self._static_costs(config)

    def judge(self, metrics: Mapping[str, float], config: Config | None = None) -> str | None:
        """Return why a trial is ruled out; None where nothing is known against it.

        Args:
            metrics: What is known of the trial before its first epoch. A constraint on a metric
                that is not known yet is not judged, nor is a latency that was measured under
                disturbance: it is too high, and it is measured again at the end of the sweep.
            config: Its configuration; None judges the constraints alone.
        """
        metrics = _sound(metrics)
        broken = [
            f"{c.metric} = {metrics[c.metric]:g} breaks {c}"
            for c in self._constraints
            if c.metric in metrics and not c.holds(metrics[c.metric])
        ]
        if broken:
            return "; ".join(broken)
        if self._hopeless is None or config is None:
            return None
        return self._hopeless.verdict(config, metrics)

    def observe(self, event: SweepEvent) -> None:
        """Take note of one event; events come in ledger order, each once."""
        if self._hopeless is not None:
            self._hopeless.observe(event)


def _sound(metrics: Mapping[str, float]) -> Mapping[str, float]:
    """Return ``metrics`` without latencies that were measured under disturbance."""
    if metrics.get(UNDISTURBED, 1.0) == 1.0:
        return metrics
    return {k: v for k, v in metrics.items() if not k.startswith("latency_")}
