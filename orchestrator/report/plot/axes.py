"""Axes and rows of a two-dimensional plot of the front."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.report.labels import label
from orchestrator.search.pareto import pareto_front
from orchestrator.spec.objectives import Objective

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.ledger.records import RecordState
    from orchestrator.report.model import ReportRow, SweepReport

FRONT_COLOUR = "#d62728"
DOMINATED_COLOUR = "#8d99a6"
BASELINE_COLOUR = "#1d4ed8"
UNFINISHED_COLOUR = "#d3d9df"
"""Trials that are not complete."""

_PREFERRED_X = ("latency_ms", "flops", "macs", "params")


@dataclass(frozen=True, kw_only=True, slots=True)
class Axes:
    """Objectives of the axes and metric of the colour scale."""

    y: Objective
    x: Objective
    colour: str | None
    """Metric of the colour scale; None without a third metric."""


def choose_axes(report: SweepReport) -> Axes:
    """Return mIoU or the first objective as y, a cost (preferably latency) as x, a third as colour.

    With a single objective, x is FLOPs.
    """
    names = [each.name for each in report.objectives]
    y = next((o for o in report.objectives if o.name == "miou"), report.objectives[0])
    others = [o for o in report.objectives if o is not y]
    ranked = sorted(
        others,
        key=lambda o: _PREFERRED_X.index(o.name) if o.name in _PREFERRED_X else len(_PREFERRED_X),
    )
    x = ranked[0] if ranked else Objective("flops", "minimize")
    others_left = [o.name for o in ranked[1:]]
    spare = [n for n in ("flops", "params") if n not in (*names, x.name) and _known(report, n)]
    return Axes(y=y, x=x, colour=next(iter([*others_left, *spare]), None))


def value_of(row: ReportRow, name: str) -> float:
    """Return a row's value of a metric or objective; NaN if it has none."""
    value = row.objectives[name] if name in row.objectives else row.metrics.get(name)
    return math.nan if value is None else value


def shown(rows: Sequence[ReportRow], name: str) -> list[float]:
    """Return the rows' values of a metric in its displayed unit; NaN if a row has none."""
    return [label(name).factor * value_of(row, name) for row in rows]


def span(rows: Sequence[ReportRow], name: str) -> tuple[float, float] | None:
    """Return the smallest and largest displayed value of a metric; None if no row has one."""
    values = [value for value in shown(rows, name) if math.isfinite(value)]
    return (min(values), max(values)) if values else None


def drawable(
    report: SweepReport, axes: Axes, state: RecordState = "complete"
) -> tuple[ReportRow, ...]:
    """Return the trials in this state with a value on both axes."""
    return tuple(
        row
        for row in report.rows
        if row.state == state
        and math.isfinite(value_of(row, axes.x.name))
        and math.isfinite(value_of(row, axes.y.name))
    )


def staircase(rows: Sequence[ReportRow], axes: Axes) -> tuple[ReportRow, ...]:
    """Return the rows that are non-dominated in the two axes, from left to right."""
    points = [[value_of(row, axes.x.name), value_of(row, axes.y.name)] for row in rows]
    front = [rows[index] for index in pareto_front(points, (axes.x, axes.y))]
    return tuple(sorted(front, key=lambda row: value_of(row, axes.x.name)))


def _known(report: SweepReport, name: str) -> bool:
    return any(name in row.metrics for row in report.rows)
