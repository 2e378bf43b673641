"""Names beside the dots of a picture, only where there is room for them."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.axes import Axes as PlotAxes
    from matplotlib.transforms import Bbox

_PLACES = (("right", -8, 5), ("left", 9, 6), ("left", 9, -5), ("right", -9, -5))
"""Alignment with the distance from the dot in points, the likeliest free place first."""
_DOT = 7.0
"""Half the side of the square a dot takes, pixels."""


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
    from matplotlib.transforms import Bbox  # noqa: PLC0415 - matplotlib is slow to import

    plot.figure.draw_without_rendering()  # type: ignore[union-attr]
    taken = [
        Bbox.from_extents(x - _DOT, y - _DOT, x + _DOT, y + _DOT)
        for x, y in (plot.transData.transform(dot) for dot in dots)
    ]
    for (x0, y0), (x1, y1) in pairwise(plot.transData.transform(corner) for corner in corners):
        taken.append(Bbox.from_extents(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)))
    taken = [box.padded(2) for box in taken]
    frame = plot.get_window_extent()
    written = 0
    for x, y, text in names:
        if written == most:
            return
        place = _write(plot, (x, y), text, taken, frame)
        if place is not None:
            taken.append(place)
            written += 1


def _write(
    plot: PlotAxes, dot: tuple[float, float], text: str, taken: Sequence[Bbox], frame: Bbox
) -> Bbox | None:
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
        if inside and not any(box.overlaps(other) for other in taken):
            return box
        note.remove()
    return None
