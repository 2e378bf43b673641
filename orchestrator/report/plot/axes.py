"""Which objectives a flat picture of a front shows, with the rows to draw in it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.report.tables.labels import label
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
"""Of trials that did not complete."""

_PREFERRED_X = ("latency_ms", "flops", "macs", "params")


@dataclass(frozen=True, kw_only=True, slots=True)
class Axes:
    """Objectives of a picture: up, right, and as colour."""

    y: Objective
    x: Objective
    colour: str | None
    """Metric of the colour scale; None where there is no third."""


def choose_axes(report: SweepReport) -> Axes:
    """Return mIoU (else the first objective) up, a cost right (latency first), a third as colour.

    With one objective only, FLOPs go right.
    """
    names = [each.name for each in report.objectives]
    y = next((o for o in report.objectives if o.name == "miou"), report.objectives[0])
    others = [o for o in report.objectives if o is not y]
    ranked = sorted(
        others,
        key=lambda o: _PREFERRED_X.index(o.name) if o.name in _PREFERRED_X else len(_PREFERRED_X),
    )
    x = ranked[0] if ranked else Objective("flops", "minimize")
    left = [o.name for o in ranked[1:]]
    spare = [n for n in ("flops", "params") if n not in (*names, x.name) and _known(report, n)]
    return Axes(y=y, x=x, colour=next(iter([*left, *spare]), None))


def value_of(row: ReportRow, name: str) -> float:
    """Return a row's value of a metric or objective; NaN where there is none."""
    value = row.objectives[name] if name in row.objectives else row.metrics.get(name)
    return math.nan if value is None else value


def shown(rows: Sequence[ReportRow], name: str) -> list[float]:
    """Return the rows' values of a metric in the unit it is shown in; NaN where there is none."""
    return [label(name).factor * value_of(row, name) for row in rows]


def span(rows: Sequence[ReportRow], name: str) -> tuple[float, float] | None:
    """Return the least and largest shown value of a metric; None where no row has one."""
    values = [value for value in shown(rows, name) if math.isfinite(value)]
    return (min(values), max(values)) if values else None


def drawable(
    report: SweepReport, axes: Axes, state: RecordState = "complete"
) -> tuple[ReportRow, ...]:
    """Return the trials in that state that have a value on both axes."""
    return tuple(
        row
        for row in report.rows
        if row.state == state
        and math.isfinite(value_of(row, axes.x.name))
        and math.isfinite(value_of(row, axes.y.name))
    )


def staircase(rows: Sequence[ReportRow], axes: Axes) -> tuple[ReportRow, ...]:
    """Return the rows that no other dominates in the two axes alone, from left to right."""
    points = [[value_of(row, axes.x.name), value_of(row, axes.y.name)] for row in rows]
    chosen = [rows[index] for index in pareto_front(points, (axes.x, axes.y))]
    return tuple(sorted(chosen, key=lambda row: value_of(row, axes.x.name)))


def _known(report: SweepReport, name: str) -> bool:
    return any(name in row.metrics for row in report.rows)
