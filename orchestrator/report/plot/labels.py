"""Placement of labels beside the dots of a plot, without overlaps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from matplotlib.text import Text
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.axes import Axes as PlotAxes

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
