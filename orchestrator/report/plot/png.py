"""The front as a PNG image."""

from __future__ import annotations

from io import BytesIO
from itertools import pairwise
from typing import TYPE_CHECKING

from orchestrator.report.plot.axes import (
    BASELINE_COLOUR,
    DOMINATED_COLOUR,
    FRONT_COLOUR,
    choose_axes,
    drawable,
    shown,
    span,
    staircase,
)
from orchestrator.report.plot.labels import place_labels
from orchestrator.report.tables.labels import label
from orchestrator.report.text import brief

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes as PlotAxes
    from matplotlib.figure import Figure

    from orchestrator.report.model import ReportRow, SweepReport
    from orchestrator.report.plot.axes import Axes

_MAX_NAMES = 6


def to_png(report: SweepReport, *, dpi: int = 160) -> bytes:
    """Return the front as a PNG of 9 x 5.6 inches; it has a note without a complete trial."""
    buffer = BytesIO()
    draw(report).savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def draw(report: SweepReport) -> Figure:
    """Return the figure: complete trials, the front as a staircase, and its knee point."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - takes half a second

    figure = Figure(figsize=(9, 5.6), layout="constrained")
    plot = figure.subplots()
    axes = choose_axes(report)
    rows = drawable(report, axes)
    _frame(plot, report, axes)
    if not rows:
        plot.text(0.5, 0.5, "no trial is complete", transform=plot.transAxes, ha="center")
        return figure
    on_front = [row for row in rows if row.rank == 0]
    dominated = [row for row in rows if row.rank != 0]
    scale = span(rows, axes.colour) if axes.colour else None
    _join(plot, staircase(on_front, axes), axes)
    _crosses(plot, drawable(report, axes, "stopped"), axes)
    _dots(plot, dominated, axes, scale, faint=True)
    _dots(plot, on_front, axes, scale, faint=False)
    baselines = [row for row in rows if row.baseline]
    _mark_baselines(plot, baselines, axes)
    _mark_disturbed(plot, rows, axes)
    _mark_knee(plot, on_front, axes)
    if axes.colour is not None and scale is not None:
        _colour_bar(figure, plot, axes.colour, scale)
    plot.legend(loc="best", frameon=False, fontsize=9, markerscale=0.7)
    plot.margins(x=0.08, y=0.12)
    dots = list(zip(shown(rows, axes.x.name), shown(rows, axes.y.name), strict=True))
    stairs = staircase(on_front, axes)
    corners = _corners(stairs, axes)
    named = list(zip(*_xy(baselines, axes), (row.baseline for row in baselines), strict=True))
    taken = place_labels(
        plot, named, dots, corners, most=len(named), colour=BASELINE_COLOUR, far=True
    )
    searched = [row for row in stairs if not row.baseline]
    place_labels(plot, _names(searched, axes), dots, corners, most=_MAX_NAMES, keep_off=taken)
    return figure


def _xy(rows: Sequence[ReportRow], axes: Axes) -> tuple[list[float], list[float]]:
    return shown(rows, axes.x.name), shown(rows, axes.y.name)


def _frame(plot: PlotAxes, report: SweepReport, axes: Axes) -> None:
    plot.set_title(
        f"{report.sweep_id}: {len(report.front)} of {report.completed} complete trials "
        "on the front",
        loc="left",
        fontsize=12,
    )
    plot.set_xlabel(label(axes.x.name).heading, fontsize=11)
    plot.set_ylabel(label(axes.y.name).heading, fontsize=11)
    plot.grid(visible=True, color="#e8ebee", linewidth=0.8)
    plot.set_axisbelow(True)
    for side in ("top", "right"):
        plot.spines[side].set_visible(False)


def _dots(
    plot: PlotAxes,
    rows: Sequence[ReportRow],
    axes: Axes,
    scale: tuple[float, float] | None,
    *,
    faint: bool,
) -> None:
    if not rows:
        return
    x, y = shown(rows, axes.x.name), shown(rows, axes.y.name)
    edge = DOMINATED_COLOUR if faint else FRONT_COLOUR
    size, alpha = (46, 0.5) if faint else (88, 1.0)
    name = "dominated" if faint else "on the front"
    if scale is None or axes.colour is None:
        plot.scatter(x, y, s=size, alpha=alpha, color=edge, label=name, zorder=3)
        return
    plot.scatter(
        x,
        y,
        s=size,
        c=shown(rows, axes.colour),
        cmap="viridis_r",
        vmin=scale[0],
        vmax=scale[1],
        alpha=alpha,
        edgecolors=edge,
        linewidths=0.8 if faint else 2.0,
        label=name,
        zorder=3 if faint else 4,
    )


def _crosses(plot: PlotAxes, rows: Sequence[ReportRow], axes: Axes) -> None:
    """Draw the last reported values of stopped trials."""
    if rows:
        x, y = shown(rows, axes.x.name), shown(rows, axes.y.name)
        plot.scatter(
            x,
            y,
            s=26,
            marker="x",
            color=DOMINATED_COLOUR,
            alpha=0.5,
            linewidths=1,
            label="stopped early",
            zorder=2,
        )


def _join(plot: PlotAxes, rows: Sequence[ReportRow], axes: Axes) -> None:
    x, y = zip(*_corners(rows, axes), strict=True) if rows else ((), ())
    plot.plot(x, y, color=FRONT_COLOUR, linewidth=1.6, alpha=0.75, zorder=2)


def _corners(rows: Sequence[ReportRow], axes: Axes) -> list[tuple[float, float]]:
    """Return the corners of the staircase that bounds the dominated region."""
    dots = list(zip(shown(rows, axes.x.name), shown(rows, axes.y.name), strict=True))
    corners = dots[:1]
    for (x0, y0), (x1, y1) in pairwise(dots):
        corners += [(x1, y0) if axes.x.direction == "minimize" else (x0, y1), (x1, y1)]
    return corners


def _mark_knee(plot: PlotAxes, rows: Sequence[ReportRow], axes: Axes) -> None:
    knee = [row for row in rows if row.knee]
    if not knee:
        return
    x, y = shown(knee, axes.x.name), shown(knee, axes.y.name)
    plot.scatter(
        x, y, s=330, marker="o", facecolors="none", edgecolors="#111827", linewidths=1.6, zorder=5,
        label=f"knee point ({knee[0].trial_id})",
    )  # fmt: skip


def _mark_disturbed(plot: PlotAxes, rows: Sequence[ReportRow], axes: Axes) -> None:
    """Draw a bar through each dot with a disturbed latency."""
    marked = [row for row in rows if row.disturbed]
    if marked and any(axis.name.startswith("latency_") for axis in (axes.x, axes.y)):
        plot.scatter(
            *_xy(marked, axes), s=260, marker="_", color="#111827", linewidths=1.2, zorder=5,
            label="latency disturbed (~)",
        )  # fmt: skip


def _mark_baselines(plot: PlotAxes, rows: Sequence[ReportRow], axes: Axes) -> None:
    if rows:
        plot.scatter(
            *_xy(rows, axes), s=150, marker="D", facecolors="none", edgecolors=BASELINE_COLOUR,
            linewidths=1.2, zorder=5, label="baselines",
        )  # fmt: skip


def _names(rows: Sequence[ReportRow], axes: Axes) -> list[tuple[float, float, str]]:
    """Return positions and labels of the staircase's trials, knee point and ends first."""
    ordered = [*(row for row in rows if row.knee), *rows[-1:], *rows[:1], *rows]
    chosen = list({row.trial_id: row for row in ordered}.values())[: 3 * _MAX_NAMES]
    names = [
        brief(row.config).replace(" os", "\nos", 1) for row in chosen
    ]  # two short lines fit more often
    return list(zip(shown(chosen, axes.x.name), shown(chosen, axes.y.name), names, strict=True))


def _colour_bar(figure: Figure, plot: PlotAxes, metric: str, scale: tuple[float, float]) -> None:
    from matplotlib.cm import ScalarMappable  # noqa: PLC0415 - as above
    from matplotlib.colors import Normalize  # noqa: PLC0415

    bar = figure.colorbar(
        ScalarMappable(Normalize(*scale), "viridis_r"), ax=plot, pad=0.02, aspect=30
    )
    bar.set_label(label(metric).heading)
    bar.outline.set_visible(False)
