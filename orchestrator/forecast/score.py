"""Score of a plan: forecast against outcome."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.search.pareto import hypervolume

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.forecast.plan import Range, SweepPlan
    from orchestrator.ledger.records import SweepRecords, TrialRecord
    from orchestrator.spec.objectives import Objective


@dataclass(frozen=True, kw_only=True, slots=True)
class Scored:
    """One figure of the plan and its actual value."""

    name: str
    planned: Range
    """Median with the interval of eight in ten."""
    actual: float

    @property
    def within(self) -> bool:
        """Whether the actual value is in the interval."""
        return self.planned.holds(self.actual)


def score_plan(
    plan: SweepPlan,
    records: SweepRecords,
    objectives: Sequence[Objective],
    *,
    workers_per_trial: int = 1,
) -> tuple[Scored, ...]:
    """Return the plan's figures beside those of the sweep so far.

    The hypervolume is measured as in the plan: from its reference point, every trained trial with
    the best mIoU of its epochs.

    Args:
        plan: The plan.
        records: The trials of the sweep.
        objectives: Those of the sweep.
        workers_per_trial: Devices a trial holds while it runs.
    """
    trained = [trial for trial in records.trials if trial.epochs_done]
    chosen = tuple(each for each in objectives if each.name in plan.reference_point)
    points = [[_value(trial, each.name) for each in chosen] for trial in trained]
    said = plan.forecast
    busy = sum(trial.busy_seconds for trial in records.trials) * workers_per_trial / 3600
    figures = {
        "device_hours": (said.device_hours, busy),
        "seconds": (said.seconds, records.seconds),
        "epochs": (said.epochs, float(sum(trial.epochs_done for trial in trained))),
        "complete": (said.complete, float(len(records.complete))),
        "hypervolume": (said.hypervolume, hypervolume(points, chosen, plan.reference_point)),
    }
    return tuple(
        Scored(name=name, planned=planned, actual=actual)
        for name, (planned, actual) in figures.items()
    )


def score_line(scores: Sequence[Scored]) -> str:
    """Return the score in one sentence."""
    parts = [
        f"{each.name.replace('_', '-')} {each.actual:.3g} "
        f"(planned {each.planned.median:.3g}, {each.planned.low:.3g} to {each.planned.high:.3g})"
        for each in scores
    ]
    right = sum(each.within for each in scores)
    return f"plan: {right} of {len(scores)} figures within their intervals; {', '.join(parts)}"


def _value(trial: TrialRecord, name: str) -> float:
    if name != "miou":
        return trial.metrics.get(name, math.nan)
    seen = [metrics.get(name, math.nan) for _, metrics in trial.history]
    return max((value for value in seen if math.isfinite(value)), default=math.nan)
