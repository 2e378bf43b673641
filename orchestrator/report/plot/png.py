"""The front as a PNG image, with labels beside its dots."""

from __future__ import annotations

import math
from io import BytesIO
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from matplotlib.text import Text
from numpy.typing import NDArray

from orchestrator.report.labels import label
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
from orchestrator.report.text import brief

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.axes import Axes as PlotAxes
    from matplotlib.figure import Figure

    from orchestrator.report.model import ReportRow, SweepReport
    from orchestrator.report.plot.axes import Axes

Boxes: TypeAlias = NDArray[np.float64]
"""Left, bottom, right and top of each box in pixels, [n, 4]."""

_PLACES = (("right", -8, 5), ("left", 9, 6), ("left", 9, -5), ("right", -9, -5))
"""Alignment and offset from the dot in points; positions above the front first."""
_FAR = tuple(
    (
        "left" if math.cos(turn) >= 0 else "right",
        round(reach * math.cos(turn)),
        round(reach * math.sin(turn)),
    )
    for reach in (20, 32, 46, 64, 86)
    for turn in (math.radians(degrees) for degrees in (-30, 30, 150, -150, -70, 70, -110, 110))
)
"""Further positions, which are joined to the dot by a line."""
TEXT_COLOUR = "#374151"
_DOT = 7.0
"""Half the side of a dot's square, pixels."""
_GAP = 2.0
"""Margin around dots and lines, pixels."""


def place_labels(
    plot: PlotAxes,
    names: Iterable[tuple[float, float, str]],
    dots: Sequence[tuple[float, float]],
    corners: Sequence[tuple[float, float]],
    *,
    most: int,
    colour: str = TEXT_COLOUR,
    keep_off: Boxes | None = None,
    far: bool = False,
) -> Boxes:
    """Draw at most ``most`` of ``names`` (x, y, text) beside their dots; return their boxes.

    A label without a free position is omitted. It must not overlap a dot, another label, the line
    through ``corners`` (horizontal and vertical segments) or the frame. The limits of the axes must
    be final.

    Args:
        plot: Plot with the dots.
        names: Labels in order of importance.
        dots: All dots.
        corners: Ends of the line's segments.
        most: Largest number of labels.
        colour: Colour of the labels.
        keep_off: Further occupied boxes, pixels.
        far: Also try distant positions, joined to the dot by a line.
    """
    plot.figure.draw_without_rendering()  # type: ignore[union-attr]
    places = _places(plot, dots)
    taken = np.hstack([places - _DOT, places + _DOT])
    ends = _places(plot, corners)
    lines = np.hstack([np.minimum(ends[:-1], ends[1:]), np.maximum(ends[:-1], ends[1:])])
    taken = np.vstack([taken, lines]) + np.array([-_GAP, -_GAP, _GAP, _GAP])
    if keep_off is not None:
        taken = np.vstack([taken, keep_off])
    written = np.empty((0, 4))
    for x, y, text in names:
        if len(written) == most:
            break
        place = _write(plot, (x, y), text, taken, colour)
        if place is None and far:
            place = _write(plot, (x, y), text, taken, colour, _FAR)
        if place is not None:
            taken, written = np.vstack([taken, place]), np.vstack([written, place])
    return written


def _places(plot: PlotAxes, points: Sequence[tuple[float, float]]) -> Boxes:
    """Return the positions of data points in pixels, [n, 2]."""
    pixels: Boxes = plot.transData.transform(np.asarray(points, dtype=float).reshape(-1, 2))
    return pixels


def _write(  # noqa: PLR0917 - the parts of one label
    plot: PlotAxes,
    dot: tuple[float, float],
    text: str,
    taken: Boxes,
    colour: str,
    places: Sequence[tuple[str, int, int]] = _PLACES,
) -> tuple[float, ...] | None:
    """Draw ``text`` at a free position; return its box, None without one."""
    frame = plot.get_window_extent()
    line = {"arrowstyle": "-", "color": colour, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 3}
    for alignment, right, up in places:
        note = plot.annotate(
            text,
            dot,
            xytext=(right, up),
            textcoords="offset points",
            ha=alignment,
            va="bottom" if up > 0 else "top",
            fontsize=8,
            linespacing=1.1,
            color=colour,
            zorder=6,
            arrowprops=line if places is _FAR else None,
        )
        note.get_window_extent()  # computes the position; its own box would include the line
        box = Text.get_window_extent(note)
        inside = frame.contains(box.x0, box.y0) and frame.contains(box.x1, box.y1)
        apart = (taken[:, 0] > box.x1) | (taken[:, 2] < box.x0)
        apart |= (taken[:, 1] > box.y1) | (taken[:, 3] < box.y0)
        if inside and bool(apart.all()):
            return box.extents
        note.remove()
    return None


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
