"""Tables of a report in every format: baselines, test scores, compression, artifacts."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from statistics import fmean
from typing import TYPE_CHECKING

from orchestrator.report.ablation import FIGURES
from orchestrator.report.labels import label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.table import Table

    from orchestrator.report.ablation import Ablation
    from orchestrator.report.analysis import BaselineStanding
    from orchestrator.report.model import ReportRow, SweepReport
    from trainables.export.record import Artifact


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """A table with text cells."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


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
        rows=tuple(_baseline_cells(report, each) for each in report.baselines),
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


def _baseline_cells(report: SweepReport, standing: BaselineStanding) -> tuple[str, ...]:
    values = _objectives(report, standing)
    figures = (label(each.name).show(values.get(each.name)) for each in report.objectives)
    return (standing.name, standing.trial_id or "-", *figures, standing_words(report, standing))


def _objectives(report: SweepReport, standing: BaselineStanding) -> Mapping[str, float | None]:
    return {} if standing.trial_id is None else report.row(standing.trial_id).objectives


def held_out_line(report: SweepReport) -> str:
    """Return the scores on the test split as one line; empty without an examination."""
    held_out = report.held_out
    if held_out is None:
        return ""
    rows = [row for row in report.front if row.test_miou is not None]
    parts = [f"test split: {held_out.scored} of {len(report.front)} on the front scored"]
    if rows:
        test = fmean(row.test_miou or 0.0 for row in rows)
        val = fmean(row.metrics["miou"] for row in rows)
        parts.append(f"mean mIoU {test:.4f}, on val {val:.4f}")
    parts.append(
        f"no Kendall's tau: {held_out.reason}"
        if held_out.kendall_tau is None
        else f"Kendall's tau between the splits {held_out.kendall_tau:.2f}"
    )
    return "; ".join(parts)


def held_out_section(report: SweepReport) -> Section | None:
    """Return the front with its scores on val and test; None without an examination."""
    held_out = report.held_out
    if held_out is None:
        return None
    return Section(
        title="Test split",
        columns=("trial", "mIoU", "test mIoU", "difference", "note"),
        rows=tuple(
            _score_cells(row, held_out.failed.get(row.trial_id, "")) for row in report.front
        ),
    )


def held_out_facts(report: SweepReport) -> dict[str, object]:
    """Return the same as JSON types under ``test``; empty without an examination."""
    held_out = report.held_out
    if held_out is None:
        return {}
    return {
        "test": {
            "scored": held_out.scored,
            "kendall_tau": held_out.kendall_tau,
            "reason": held_out.reason,
            "failed": dict(held_out.failed),
        }
    }


def _score_cells(row: ReportRow, failure: str) -> tuple[str, ...]:
    val, test = row.metrics["miou"], row.test_miou
    shown = label("miou").show
    difference = "-" if test is None else f"{test - val:+.4f}"
    return (row.trial_id, shown(val), shown(test), difference, failure)


_DIGEST = 12
"""Displayed digits of a digest."""


def deployable_sections(report: SweepReport) -> tuple[Section, ...]:
    """Return the sections on baselines, compression and artifacts that have rows."""
    trial_ids = dict.fromkeys([*(row.trial_id for row in report.front), *report.artifacts])
    artifacts = tuple(
        _artifact_row(trial_id, each)
        for trial_id in trial_ids
        for each in report.artifacts.get(trial_id, ())
    )
    steps = tuple(
        _step_row(ablation, place)
        for ablation in report.ablations
        for place in range(len(ablation.steps))
    )
    headings = tuple(label(name).heading for name in FIGURES)
    sections = (
        baseline_section(report),
        Section(
            title="Effect of compression",
            columns=("trial", "model", *headings, "mIoU of"),
            rows=steps,
        ),
        Section(
            title="Artifacts",
            columns=("trial", "file", "size (MB)", "mIoU", "same class", "images", "sha256"),
            rows=artifacts,
        ),
    )
    return tuple(section for section in sections if section.rows)


def deployable_facts(report: SweepReport) -> dict[str, object]:
    """Return baselines, ablations and artifacts as JSON types."""
    return {
        "baselines": baseline_facts(report),
        "ablation": [
            {
                "trial": ablation.trial_id,
                "steps": [
                    {"name": step.name, **step.figures, "miou_of": step.source or None}
                    for step in ablation.steps
                ],
            }
            for ablation in report.ablations
        ],
        "artifacts": {
            trial_id: [each.to_mapping() | {"path": str(each.path)} for each in artifacts]
            for trial_id, artifacts in report.artifacts.items()
        },
    }


def deployable_tables(report: SweepReport) -> list[Table]:
    """Return the sections as rich tables."""
    from rich.table import Table  # noqa: PLC0415 - keeps the module light

    tables = []
    for section in deployable_sections(report):
        table = Table(title=section.title, title_justify="left")
        for index, column in enumerate(section.columns):
            table.add_column(column, no_wrap=index == 0)
        for row in section.rows:
            table.add_row(*row)
        tables.append(table)
    return tables


def deployable_markdown(report: SweepReport, room: int) -> list[str]:
    """Return the sections as Markdown lines of at most ``room`` characters.

    The last line of a section counts its omitted rows.
    """
    lines: list[str] = []
    for section in deployable_sections(report):
        head = ["", f"## {section.title}", "", _cells(section.columns)]
        head.append(_cells(["---"] * len(section.columns)))
        room -= sum(len(line) + 1 for line in head) + 40
        rows = []
        for line in map(_cells, section.rows):
            room -= len(line) + 1
            if room < 0:
                break
            rows.append(line)
        if rows:
            lines += [*head, *rows]
            left = len(section.rows) - len(rows)
            lines += ["", f"{left} more are in `pareto/report.json`."] if left else []
    return lines


def deployable_html(report: SweepReport) -> str:
    """Return the sections as HTML tables."""
    parts = []
    tested = held_out_section(report)
    for section in (*filter(None, [tested]), *deployable_sections(report)):
        head = "".join(f"<th>{escape(column)}</th>" for column in section.columns)
        body = "".join(
            f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>"
            for row in section.rows
        )
        parts.append(
            f"<h2>{escape(section.title)}</h2>"
            f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        )
    return f'<section class="deployables">{_STYLE}{"".join(parts)}</section>' if parts else ""


_STYLE = (
    "<style>.deployables{font:14px sans-serif;margin:0 30px 40px;overflow-x:auto}"
    ".deployables table{border-collapse:collapse}.deployables td,.deployables th"
    "{padding:4px 12px;text-align:left;border-bottom:1px solid #ddd;white-space:nowrap}</style>"
)


def _step_row(ablation: Ablation, place: int) -> tuple[str, ...]:
    step = ablation.steps[place]
    cells = []
    for name in FIGURES:
        text = label(name).show(step.figures[name])
        change = ablation.change(place, name) if place else None
        if change is not None:
            text += f" ({change:+.4f})" if name == "miou" else f" (x{change:.2f})"
        cells.append(text)
    return ("" if place else ablation.trial_id, step.name, *cells, step.source)


def _artifact_row(trial_id: str, artifact: Artifact) -> tuple[str, ...]:
    verified = artifact.verification
    checked = ("-", "-", "-")
    if verified is not None:
        difference = verified.miou - verified.model_miou
        checked = (
            f"{verified.miou:.4f} ({difference:+.4f})",
            f"{verified.agreement:.2%}",
            str(verified.images),
        )
    size = f"{artifact.size_bytes / 1e6:.2f}"
    return (trial_id, artifact.path.name, size, *checked, artifact.sha256[:_DIGEST])


def _cells(values: Sequence[str]) -> str:
    return "| " + " | ".join(value.replace("|", "\\|") for value in values) + " |"
