"""Which trial of a sweep is promoted, by rule or by name."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.registry.bounds import broken_bounds
from orchestrator.report.labels import label
from orchestrator.search.pareto import knee_point, pareto_front

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.registry.request import Rule
    from orchestrator.report.model import ReportRow, SweepReport
    from orchestrator.spec.constraints import Constraint
    from orchestrator.spec.objectives import Objective

_LEAST: dict[Rule, str] = {
    "fastest": "latency_ms",
    "fewest-flops": "flops",
    "smallest": "size_mb",
}


class NoCandidateError(ValueError):
    """No trial of the sweep may be promoted as asked."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """The trial to promote, with the reason."""

    row: ReportRow
    """The trial as the report has it."""
    reason: str
    """Why this one, in a sentence."""
    passed_over: tuple[tuple[str, str], ...] = ()
    """The other candidates, each with what speaks against it."""


def choose(
    report: SweepReport,
    *,
    rule: Rule = "best-miou",
    constraints: Sequence[Constraint] = (),
    trial_id: str | None = None,
) -> Choice:
    """Return the trial to promote: the one named, else the one the rule picks from the front.

    The front is that of the complete trials which keep every constraint, so a bound on a figure
    that is no objective, such as the size, does not leave it empty without need. Of equal trials
    the one proposed first is chosen.

    Raises:
        NoCandidateError: no trial fits, or the one named did not complete or breaks a constraint.
    """
    if trial_id is not None:
        return _named(report, trial_id, constraints)
    complete = [row for row in report.rows if row.state == "complete"]
    if not complete:
        raise NoCandidateError(f"no trial of sweep {report.sweep_id} completed; run it longer")
    broken = {row.trial_id: broken_bounds(row.metrics, constraints) for row in complete}
    kept = [row for row in complete if not broken[row.trial_id]]
    front = _front(kept, report.objectives)
    if not front:
        raise NoCandidateError(_nobody(report, complete, broken))
    row = _pick(front, rule, report.objectives)
    return Choice(
        row=row,
        reason=_reason(rule, len(front), constraints),
        passed_over=tuple(
            (other.trial_id, _against(other, row, report.objectives, broken))
            for other in complete
            if other.trial_id != row.trial_id
            and (other in front or (broken[other.trial_id] and other.rank == 0))
        ),
    )


def _named(report: SweepReport, trial_id: str, constraints: Sequence[Constraint]) -> Choice:
    found = next((row for row in report.rows if row.trial_id == trial_id), None)
    if found is None:
        known = ", ".join(row.trial_id for row in report.rows if row.state == "complete")
        raise NoCandidateError(
            f"sweep {report.sweep_id} has no trial {trial_id!r}; complete are {known or 'none'}"
        )
    if found.state != "complete":
        why = f" ({found.reason})" if found.reason else ""
        raise NoCandidateError(
            f"trial {trial_id} is {found.state}{why}; only complete trials can be promoted"
        )
    broken = broken_bounds(found.metrics, constraints)
    if broken:
        raise NoCandidateError(f"trial {trial_id} cannot be promoted: {'; '.join(broken)}")
    better = [row for row in report.front if _dominates(row, found, report.objectives)]
    note = f", though {', '.join(row.trial_id for row in better)} dominates it" if better else ""
    return Choice(row=found, reason=f"it was asked for by its name{note}")


def _front(rows: Sequence[ReportRow], objectives: Sequence[Objective]) -> list[ReportRow]:
    sound = [row for row in rows if None not in row.objectives.values()]
    points = [[row.objectives[each.name] or 0.0 for each in objectives] for row in sound]
    return [sound[index] for index in pareto_front(points, objectives)]


def _pick(front: Sequence[ReportRow], rule: Rule, objectives: Sequence[Objective]) -> ReportRow:
    if rule == "knee":
        points = [[row.objectives[each.name] or 0.0 for each in objectives] for row in front]
        index = knee_point(points, objectives)
        return front[index or 0]
    if rule == "best-miou":
        return max(front, key=lambda row: row.metrics.get("miou", -math.inf))
    metric = _LEAST[rule]
    return min(front, key=lambda row: row.metrics.get(metric, math.inf))


def _reason(rule: Rule, count: int, constraints: Sequence[Constraint]) -> str:
    what = {
        "best-miou": "the best mIoU",
        "knee": "the best compromise",
        "fastest": "the least latency",
        "fewest-flops": "the fewest FLOPs",
        "smallest": "the smallest artifact",
    }[rule]
    among = f"of the {count} on the front" if count > 1 else "as the only one on the front"
    bounds = " and ".join(map(str, constraints))
    return f"it has {what} {among}" + (f" that keep {bounds}" if bounds else "")


def _against(
    other: ReportRow,
    chosen: ReportRow,
    objectives: Sequence[Objective],
    broken: Mapping[str, list[str]],
) -> str:
    if broken[other.trial_id]:
        return "; ".join(broken[other.trial_id])
    worse = [each for each in objectives if _better(chosen, other, each)]
    better = [each for each in objectives if _better(other, chosen, each)]
    texts = [
        f"{word} {', '.join(_pair(each, other, chosen) for each in some)}"
        for word, some in (("worse", worse), ("better", better))
        if some
    ]
    return "; ".join(texts) or "equal in every objective"


def _pair(objective: Objective, one: ReportRow, other: ReportRow) -> str:
    shown = label(objective.name)
    values = [shown.show(row.objectives[objective.name]) for row in (one, other)]
    return f"{shown.heading} {values[0]} against {values[1]}"


def _better(one: ReportRow, other: ReportRow, objective: Objective) -> bool:
    left, right = one.objectives[objective.name], other.objectives[objective.name]
    if left is None or right is None:
        return False
    return left > right if objective.direction == "maximize" else left < right


def _dominates(one: ReportRow, other: ReportRow, objectives: Sequence[Objective]) -> bool:
    return any(_better(one, other, each) for each in objectives) and not any(
        _better(other, one, each) for each in objectives
    )


def _nobody(
    report: SweepReport, complete: Sequence[ReportRow], broken: Mapping[str, list[str]]
) -> str:
    reasons = "; ".join(
        f"{row.trial_id}: {', '.join(broken[row.trial_id]) or 'an objective is missing'}"
        for row in complete[:5]
    )
    more = f"; and {len(complete) - 5} more" if len(complete) > 5 else ""
    return (
        f"none of the {len(complete)} complete trials of sweep {report.sweep_id} keeps every "
        f"bound ({reasons}{more}); loosen a bound or run a larger sweep"
    )
