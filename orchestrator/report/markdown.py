"""The report as Markdown, for the description of an MLflow run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.ledger.interruptions import interruptions_line
from orchestrator.report.analysis.held_out import TEST_MIOU
from orchestrator.report.tables.deployables import deployable_markdown
from orchestrator.report.tables.held_out import held_out_line
from orchestrator.report.tables.labels import label
from orchestrator.report.text import counts_line, effort_line, volume_line, what_it_is

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.report.model import ReportRow, SweepReport

MAX_CHARACTERS = 7500
"""Length limit of a tracking store's description, with a margin."""
MAX_WARNINGS = 5
"""Most warnings of the data check on the page; the front has priority."""


def to_markdown(
    report: SweepReport,
    *,
    picture: str | None = None,
    trial_links: Mapping[str, str] | None = None,
    views: Sequence[tuple[str, str]] = (),
    facts: Sequence[tuple[str, str]] = (),
) -> str:
    """Return a page of at most ``MAX_CHARACTERS``: views, image, front, figures, facts.

    Omitted rows of the front are counted.

    Args:
        report: The report.
        picture: Address of the front's image.
        trial_links: Address of each trial's page.
        views: Title and address of each saved view.
        facts: Name and value of further facts: seed, data set, versions.
    """
    head = [f"# Sweep {report.sweep_id}", ""]
    if views:
        head += [" · ".join(f"**[{title}]({address})**" for title, address in views), ""]
    if picture:
        head += [f"![Pareto front]({picture})", ""]
    tail = ["", *_figures(report), "", *(f"- {name}: {_cell(value)}" for name, value in facts)]
    if not report.front:
        return "\n".join([*head, "No trial has completed yet.", *tail])[:MAX_CHARACTERS]
    head += ["## Pareto front", "", *_table_head(report)]
    room = MAX_CHARACTERS - len("\n".join([*head, *tail])) - 60
    rows: list[str] = []
    for row in report.front:
        line = _table_row(report, row, (trial_links or {}).get(row.trial_id))
        room -= len(line) + 1
        if room < 0:
            break
        rows.append(line)
    left = len(report.front) - len(rows)
    if left:
        tail = ["", f"{left} more are in `pareto/trials.csv`.", *tail]
    elif room > 0:
        tail = [*deployable_markdown(report, room), *tail]
    return "\n".join([*head, *rows, *tail])[:MAX_CHARACTERS]


def _table_head(report: SweepReport) -> list[str]:
    titles = [
        f"{label(each.name).heading} {'↑' if each.direction == 'maximize' else '↓'}"
        for each in report.objectives
    ]
    titles += [] if report.held_out is None else [label(TEST_MIOU).heading]
    return [
        "| " + " | ".join(["trial", *titles, "configuration"]) + " |",
        "|" + "|".join(["---", *("---:" for _ in titles), "---"]) + "|",
    ]


def _table_row(report: SweepReport, row: ReportRow, address: str | None) -> str:
    name = f"[{row.trial_id}]({address})" if address else row.trial_id
    values = [row.shown(each.name) for each in report.objectives]
    values += [] if report.held_out is None else [label(TEST_MIOU).show(row.test_miou)]
    mark = " ★" if row.knee else ""
    return "| " + " | ".join([name + mark, *values, _cell(what_it_is(row))]) + " |"


def _figures(report: SweepReport) -> list[str]:
    lines = [f"- {counts_line(report)}", f"- {effort_line(report)}"]
    if interrupted := interruptions_line(report.interruptions):
        lines.append(f"- {interrupted}")
    shown = report.data_warnings[:MAX_WARNINGS]
    lines += [f"- data: {_cell(warning)[:200]}" for warning in shown]
    if left := len(report.data_warnings) - len(shown):
        lines.append(f"- {left} more warnings of the data check are in `pareto/report.json`")
    if report.front:
        lines += [
            f"- {volume_line(report)}",
            f"- ★ knee point: {report.knee}",
        ]
    if tested := held_out_line(report):
        lines.append(f"- {tested}")
    return lines


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
