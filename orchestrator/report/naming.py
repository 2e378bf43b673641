"""Names beside the dots of a picture, only where there is room for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.axes import Axes as PlotAxes

Boxes: TypeAlias = NDArray[np.float64]
"""Pixels: left, bottom, right, top of each box [n, 4]."""

_PLACES = (("right", -8, 5), ("left", 9, 6), ("left", 9, -5), ("right", -9, -5))
"""Alignment with the distance from the dot in points, the likeliest free place first."""
_DOT = 7.0
"""Half the side of the square a dot takes, pixels."""
_GAP = 2.0
"""Room around everything, pixels."""


def name_dots(
    plot: PlotAxes,
    names: Iterable[tuple[float, float, str]],
    dots: Sequence[tuple[float, float]],
    corners: Sequence[tuple[float, float]],
    *,
    most: int,
) -> None:
    """Write at most ``most`` of ``names`` (x, y, text) beside their dots.

    A name that would lie on a dot, on another name, on the line through ``corners`` (whose pieces
    are level or upright) or outside the axes is tried at four places and then left out. Limits of
    the axes must be final.
    """
    plot.figure.draw_without_rendering()  # type: ignore[union-attr]
    places = _places(plot, dots)
    taken = np.hstack([places - _DOT, places + _DOT])
    ends = _places(plot, corners)
    lines = np.hstack([np.minimum(ends[:-1], ends[1:]), np.maximum(ends[:-1], ends[1:])])
    taken = np.vstack([taken, lines]) + np.array([-_GAP, -_GAP, _GAP, _GAP])
    written = 0
    for x, y, text in names:
        if written == most:
            return
        place = _write(plot, (x, y), text, taken)
        if place is not None:
            taken = np.vstack([taken, place])
            written += 1


def _places(plot: PlotAxes, points: Sequence[tuple[float, float]]) -> Boxes:
    """Return where points of the data are, pixels [n, 2]."""
    found: Boxes = plot.transData.transform(np.asarray(points, dtype=float).reshape(-1, 2))
    return found


def _write(
    plot: PlotAxes, dot: tuple[float, float], text: str, taken: Boxes
) -> tuple[float, ...] | None:
    """Write ``text`` where it lies on nothing; return its box, None where there is no room."""
    frame = plot.get_window_extent()
    for alignment, right, up in _PLACES:
        note = plot.annotate(
            text,
            dot,
            xytext=(right, up),
            textcoords="offset points",
            ha=alignment,
            va="bottom" if up > 0 else "top",
            fontsize=8,
            linespacing=1.1,
            color="#374151",
            zorder=6,
        )
        box = note.get_window_extent()
        inside = frame.contains(box.x0, box.y0) and frame.contains(box.x1, box.y1)
        apart = (taken[:, 0] > box.x1) | (taken[:, 2] < box.x0)
        apart |= (taken[:, 1] > box.y1) | (taken[:, 3] < box.y0)
        if inside and bool(apart.all()):
            return box.extents
        note.remove()
    return None
