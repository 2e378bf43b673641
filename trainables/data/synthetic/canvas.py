"""A canvas that draws every shape into the picture with its label."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainables.data.synthetic.camera import Point


class Canvas:
    """A picture and its labels; shapes are drawn from far to near."""

    def __init__(
        self, picture: NDArray[np.float64], labels: NDArray[np.uint8], enlarged: int
    ) -> None:
        """Start from a background, ``enlarged`` times as large on each axis.

        ``picture`` is H x W x 3 with colours in [0, 255], ``labels`` is H x W.
        """
        colours = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
        size = (colours.width * enlarged, colours.height * enlarged)
        self._picture = colours.resize(size, Image.Resampling.NEAREST)
        self._labels = Image.fromarray(labels).resize(size, Image.Resampling.NEAREST)
        self._paint = ImageDraw.Draw(self._picture)
        self._paint_label = ImageDraw.Draw(self._labels)
        self._veil = ImageDraw.Draw(self._picture, "RGBA")

    def polygon(self, points: list[Point], colour: tuple[int, int, int], label: int) -> None:
        """Fill the polygon with ``points`` as corners."""
        self._paint.polygon(points, fill=colour)
        self._paint_label.polygon(points, fill=label)

    def ellipse(
        self, centre: Point, radii: Point, colour: tuple[int, int, int], label: int
    ) -> None:
        """Fill the upright ellipse around ``centre`` with ``radii`` across and up."""
        box = _box(centre, radii)
        self._paint.ellipse(box, fill=colour)
        self._paint_label.ellipse(box, fill=label)

    def shadow(self, centre: Point, radii: Point, darkness: float) -> None:
        """Darken an ellipse by ``darkness`` in [0, 1]; labels stay as they are."""
        self._veil.ellipse(_box(centre, radii), fill=(8, 10, 18, int(255 * darkness)))

    def finish(self, reduced: int) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
        """Return picture (H x W x 3, [0, 255]) and labels (H x W), ``reduced`` times smaller.

        Colours are averaged for smooth edges; a label is that of one pixel of its block.
        """
        picture = np.asarray(self._picture.reduce(reduced), dtype=np.float64)
        labels = np.asarray(self._labels, dtype=np.uint8)[
            reduced // 2 :: reduced, reduced // 2 :: reduced
        ]
        return picture, np.ascontiguousarray(labels)


def _box(centre: Point, radii: Point) -> tuple[float, float, float, float]:
    across, up = max(radii[0], 0.5), max(radii[1], 0.5)
    return centre[0] - across, centre[1] - up, centre[0] + across, centre[1] + up
