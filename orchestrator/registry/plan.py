"""Plan of a promotion: chooses the trial and can be printed before anything is written."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.registry.request import broken_bounds
from orchestrator.registry.versions import SHOWN, SWEEP, TRIAL
from orchestrator.report.analysis import TEST_MIOU
from orchestrator.report.labels import label
from orchestrator.report.text import brief
from orchestrator.search.pareto import knee_point, pareto_front

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.registry.gates import GateName
    from orchestrator.registry.request import Rule
    from orchestrator.registry.versions import ModelVersion
    from orchestrator.report.model import ReportRow, SweepReport
    from orchestrator.spec.objectives import Constraint, Objective

_LEAST: dict[Rule, str] = {
    "fastest": "latency_ms",
    "fewest-flops": "flops",
    "smallest": "size_mb",
}


class NoCandidateError(ValueError):
    """No trial of the sweep can be promoted as requested."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """The chosen trial with the reason."""

    row: ReportRow
    """Row of the trial in the report."""
    reason: str
    """Why it was chosen, as a clause."""
    passed_over: tuple[tuple[str, str], ...] = ()
    """The other candidates, each with why it was not chosen."""


def choose(
    report: SweepReport,
    *,
    rule: Rule = "best-miou",
    constraints: Sequence[Constraint] = (),
    trial_id: str | None = None,
) -> Choice:
    """Return the trial ``trial_id``, else the one that ``rule`` selects from the front.

    The front is computed from the complete trials that satisfy every constraint. So a bound on a
    metric that is not an objective does not remove the whole front. Ties go to the earliest trial.

    Raises:
        NoCandidateError: no trial qualifies, or the named one is incomplete or breaks a constraint.
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
        raise NoCandidateError(_no_candidate(report, complete, broken))
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
    row = next((row for row in report.rows if row.trial_id == trial_id), None)
    if row is None:
        known = ", ".join(row.trial_id for row in report.rows if row.state == "complete")
        raise NoCandidateError(
            f"sweep {report.sweep_id} has no trial {trial_id!r}; complete are {known or 'none'}"
        )
    if row.state != "complete":
        why = f" ({row.reason})" if row.reason else ""
        raise NoCandidateError(
            f"trial {trial_id} is {row.state}{why}; only complete trials can be promoted"
        )
    broken = broken_bounds(row.metrics, constraints)
    if broken:
        raise NoCandidateError(f"trial {trial_id} cannot be promoted: {'; '.join(broken)}")
    better = [each for each in report.front if _dominates(each, row, report.objectives)]
    note = f", though {', '.join(each.trial_id for each in better)} dominates it" if better else ""
    return Choice(row=row, reason=f"it was requested by its id{note}")


def _front(rows: Sequence[ReportRow], objectives: Sequence[Objective]) -> list[ReportRow]:
    finite = [row for row in rows if None not in row.objectives.values()]
    points = [[row.objectives[each.name] or 0.0 for each in objectives] for row in finite]
    return [finite[index] for index in pareto_front(points, objectives)]


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
        "fastest": "the lowest latency",
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


def _no_candidate(
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


@dataclass(frozen=True, kw_only=True, slots=True)
class PromotionPlan:
    """Plan of a promotion."""

    name: str
    """Name of the registered model."""
    sweep_id: str
    """Sweep of the trial."""
    choice: Choice
    """The chosen trial with the reason."""
    constraints: tuple[Constraint, ...]
    """Constraints on the reproduced figures."""
    gates: tuple[GateName, ...]
    """Gates in their order."""
    test_split: str | None = None
    """Name of the test split; None if the sweep has none."""
    min_test_miou: float | None = None
    """Lowest mIoU on the test split, [0, 1]; None is unbounded."""
    champion: ModelVersion | None = None
    """The version to replace; None for the first promotion."""
    recorded_machine: str | None = None
    """Processor or GPU of the recorded latency; None if unknown."""

    @property
    def trial_id(self) -> str:
        """Id of the trial to promote."""
        return self.choice.row.trial_id

    @property
    def figures(self) -> dict[str, float]:
        """Figures of the trial, with the mIoU on the test split if it was scored."""
        row = self.choice.row
        return {**row.metrics, **({} if row.test_miou is None else {TEST_MIOU: row.test_miou})}

    @property
    def already_champion(self) -> bool:
        """Whether the champion is this trial."""
        tags = {} if self.champion is None else self.champion.tags
        return tags.get(SWEEP) == self.sweep_id and tags.get(TRIAL) == self.trial_id

    def to_mapping(self) -> dict[str, object]:
        """Return the plan as JSON types."""
        row = self.choice.row
        return {
            "name": self.name,
            "sweep_id": self.sweep_id,
            "trial_id": row.trial_id,
            "reason": self.choice.reason,
            "config": dict(row.config),
            "figures": {key: self.figures[key] for key in SHOWN if key in self.figures},
            "scored_on_test": None if self.test_split is None else row.test_miou is not None,
            "passed_over": [
                {"trial_id": trial, "reason": reason} for trial, reason in self.choice.passed_over
            ],
            "constraints": [str(each) for each in self.constraints],
            "min_test_miou": self.min_test_miou,
            "gates": list(self.gates),
            "champion": None if self.champion is None else self.champion.to_mapping(),
            "already_champion": self.already_champion,
        }

    def lines(self) -> list[str]:
        """Return the plan as lines of text."""
        row = self.choice.row
        found = [
            f"model      {self.name}",
            f"trial      {row.trial_id} of {self.sweep_id}: {brief(row.config)}",
            f"figures    {figures_text(self.figures)}",
            f"because    {self.choice.reason}",
        ]
        if self.test_split is not None and row.test_miou is None:
            found.append(
                f"scores     it on the test split {self.test_split!r}, which has no score yet"
            )
        found += [f"not        {trial}: {why}" for trial, why in self.choice.passed_over]
        if self.champion is None:
            found.append("replaces   nothing: the model has no champion yet")
        else:
            tags = self.champion.tags
            origin = f"{tags.get(TRIAL, 'a trial')} of {tags.get(SWEEP, 'another source')}"
            figures = figures_text(self.champion.figures)
            found.append(f"replaces   version {self.champion.version}, {origin}: {figures}")
        least = self.min_test_miou
        test = [] if least is None else [f"{TEST_MIOU} >= {least:g}, as a gate only"]
        bounds = ", ".join([*map(str, self.constraints), *test])
        found.append(f"bounds     {bounds or 'none'}")
        found.append(f"gates      {', '.join(self.gates)}")
        return found


def figures_text(figures: Mapping[str, float]) -> str:
    """Return the known figures of ``SHOWN`` in one line."""
    shown = [
        f"{label(name).heading} {label(name).show(figures[name])}"
        for name in SHOWN
        if name in figures
    ]
    return ", ".join(shown) or "no figures"
