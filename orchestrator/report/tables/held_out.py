"""The front on the test split, for every kind of page."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

from orchestrator.report.tables.labels import label
from orchestrator.report.tables.section import Section

if TYPE_CHECKING:
    from orchestrator.report.model import ReportRow, SweepReport


def held_out_line(report: SweepReport) -> str:
    """Return what the test split says in one line; empty where nothing was scored on one."""
    found = report.held_out
    if found is None:
        return ""
    rows = [row for row in report.front if row.test_miou is not None]
    words = [f"test split: {found.scored} of {len(report.front)} on the front scored"]
    if rows:
        test = fmean(row.test_miou or 0.0 for row in rows)
        val = fmean(row.metrics["miou"] for row in rows)
        words.append(f"mean mIoU {test:.4f}, on val {val:.4f}")
    words.append(
        f"no Kendall's tau: {found.reason}"
        if found.kendall_tau is None
        else f"Kendall's tau of the two orders {found.kendall_tau:.2f}"
    )
    return "; ".join(words)


def held_out_section(report: SweepReport) -> Section | None:
    """Return the front with its scores on val and test; None where nothing was scored."""
    found = report.held_out
    if found is None:
        return None
    return Section(
        title="Test split",
        columns=("trial", "mIoU", "test mIoU", "difference", "note"),
        rows=tuple(_cells(row, found.failed.get(row.trial_id, "")) for row in report.front),
    )


def held_out_facts(report: SweepReport) -> dict[str, object]:
    """Return the same as JSON types, under ``test``; nothing where nothing was scored."""
    found = report.held_out
    if found is None:
        return {}
    return {
        "test": {
            "scored": found.scored,
            "kendall_tau": found.kendall_tau,
            "reason": found.reason,
            "failed": dict(found.failed),
        }
    }


def _cells(row: ReportRow, failure: str) -> tuple[str, ...]:
    val, test = row.metrics["miou"], row.test_miou
    shown = label("miou").show
    difference = "-" if test is None else f"{test - val:+.4f}"
    return (row.trial_id, shown(val), shown(test), difference, failure)
