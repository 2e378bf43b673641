"""Tables below the front, in every format: baselines, compression, artifacts."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from orchestrator.report.analysis.ablation import FIGURES
from orchestrator.report.tables.baselines import baseline_facts, baseline_section
from orchestrator.report.tables.held_out import held_out_section
from orchestrator.report.tables.labels import label
from orchestrator.report.tables.section import Section

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from orchestrator.report.analysis.ablation import Ablation
    from orchestrator.report.model import SweepReport
    from trainables.export.record import Artifact

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
