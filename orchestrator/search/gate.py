"""The cost gate: what is settled before the first epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainables.session.messages import UNDISTURBED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.search.dominated_bound import DominatedBound
    from orchestrator.spec.constraints import Constraint
    from search_spaces.space import Config


class CostGate:
    """Refuses configurations that break a constraint, or cannot reach the front any more."""

    def __init__(
        self,
        constraints: Sequence[Constraint],
        static_costs: Callable[[Config], Mapping[str, float]],
        dominated_bound: DominatedBound | None = None,
    ) -> None:
        """Take the rules.

        Args:
            constraints: Bounds that a trial must keep.
            static_costs: Metrics of a configuration that need no training and no measurement.
            dominated_bound: Rule for configurations that cannot reach the front; None judges the
                constraints alone.
        """
        self._constraints = tuple(constraints)
        self._static_costs = static_costs
        self._dominated_bound = dominated_bound

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
        if self._dominated_bound is None or config is None:
            return None
        return self._dominated_bound.verdict(config, metrics)

    def observe(self, event: SweepEvent) -> None:
        """Take note of one event; events come in ledger order, each once."""
        if self._dominated_bound is not None:
            self._dominated_bound.observe(event)


def _sound(metrics: Mapping[str, float]) -> Mapping[str, float]:
    """Return ``metrics`` without latencies that were measured under disturbance."""
    if metrics.get(UNDISTURBED, 1.0) == 1.0:
        return metrics
    return {k: v for k, v in metrics.items() if not k.startswith("latency_")}
