"""The cost gate: which trials are ruled out before their first epoch."""

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
