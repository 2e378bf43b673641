"""Table of the front's scores on the test split."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

from orchestrator.report.tables.labels import label
from orchestrator.report.tables.section import Section

if TYPE_CHECKING:
    from orchestrator.report.model import ReportRow, SweepReport


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
        rows=tuple(_cells(row, held_out.failed.get(row.trial_id, "")) for row in report.front),
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


def _cells(row: ReportRow, failure: str) -> tuple[str, ...]:
    val, test = row.metrics["miou"], row.test_miou
    shown = label("miou").show
    difference = "-" if test is None else f"{test - val:+.4f}"
    return (row.trial_id, shown(val), shown(test), difference, failure)
