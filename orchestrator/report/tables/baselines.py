"""Table of the baselines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.report.tables.labels import label
from orchestrator.report.tables.section import Section

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.report.analysis.baselines import BaselineStanding
    from orchestrator.report.model import SweepReport

WORDS: Mapping[str, str] = {
    "front": "on the front",
    "matched": "matched by",
    "dominated": "dominated by",
}


def baseline_section(report: SweepReport) -> Section:
    """Return the table of the baselines; no rows without baselines."""
    figures = (label(each.name).heading for each in report.objectives)
    return Section(
        title="Baselines",
        columns=("baseline", "trial", *figures, "stands"),
        rows=tuple(_cells(report, each) for each in report.baselines),
    )


def baseline_facts(report: SweepReport) -> list[dict[str, object]]:
    """Return the comparison of the baselines as JSON types."""
    return [
        {
            "name": each.name,
            "trial": each.trial_id,
            "standing": each.verdict,
            "by": each.by,
            "objectives": dict(_objectives(report, each)),
        }
        for each in report.baselines
    ]


def standing_words(report: SweepReport, standing: BaselineStanding) -> str:
    """Return the comparison of a baseline as text."""
    if standing.trial_id is None:
        return "not started"
    if standing.verdict == "unranked":
        row = report.row(standing.trial_id)
        return f"{row.state}: {row.reason}" if row.reason else row.state
    words = WORDS[standing.verdict]
    if standing.by is None:
        return words
    other = report.row(standing.by).baseline
    return f"{words} {standing.by}" + (f" ({other})" if other else "")


def _cells(report: SweepReport, standing: BaselineStanding) -> tuple[str, ...]:
    values = _objectives(report, standing)
    figures = (label(each.name).show(values.get(each.name)) for each in report.objectives)
    return (standing.name, standing.trial_id or "-", *figures, standing_words(report, standing))


def _objectives(report: SweepReport, standing: BaselineStanding) -> Mapping[str, float | None]:
    return {} if standing.trial_id is None else report.row(standing.trial_id).objectives
