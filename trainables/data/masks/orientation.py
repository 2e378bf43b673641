"""The EXIF orientation of images and masks.

Images are turned as they are displayed. A mask of the displayed size is taken as it is; one that
fits the stored size alone is turned like its image. Where both sizes are equal (square images,
mirrored ones, ones upside down) a mask is taken as drawn on the displayed image.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from PIL import Image

Labels: TypeAlias = "NDArray[np.uint8] | NDArray[np.uint16]"

_TAG = 0x0112
_UNDONE_BY = {6: 8, 8: 6}


def orientation_of(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8; 1 where there is none or it cannot be read."""
    with suppress(Exception):  # broken EXIF data raises anything, and its pixels are sound
        value = image.getexif().get(_TAG, 1)
        if value in range(1, 9):
            return int(value)
    return 1


def turned(labels: Labels, orientation: int) -> Labels:
    """Return a stored mask H x W as an EXIF orientation displays it."""
    return _TURNS[orientation](labels)


_TURNS: tuple[Callable[[Labels], Labels], ...] = (
    lambda labels: labels,
    lambda labels: labels,
    lambda labels: labels[:, ::-1],
    lambda labels: labels[::-1, ::-1],
    lambda labels: labels[::-1],
    lambda labels: labels.T,
    lambda labels: np.rot90(labels, -1),
    lambda labels: labels[::-1, ::-1].T,
    np.rot90,
)
"""By orientation; 0 is none."""


def upright(
    labels: Labels, size: tuple[int, int], *, image_orientation: int, mask_orientation: int
) -> Labels:
    """Return a mask as it lies over its displayed image.

    Args:
        labels: The mask as its own orientation displays it, H x W.
        size: Width and height of the displayed image.
        image_orientation: Orientation that the image was turned by.
        mask_orientation: Orientation that the mask was turned by.

    Returns:
        The mask; of its own size where it fits neither way.
    """
    if mask_orientation > 1:  # a tag that was copied from the image undoes itself
        other = turned(labels, _UNDONE_BY.get(mask_orientation, mask_orientation))
    else:
        other = turned(labels, image_orientation)
    shape = (size[1], size[0])
    return other if labels.shape != shape and other.shape == shape else labels


def is_unclear(size: tuple[int, int], image_orientation: int, mask_orientation: int) -> bool:
    """Whether a mask's size leaves open if it was drawn on the stored or the displayed image."""
    keeps_size = image_orientation < 5 or size[0] == size[1]
    return image_orientation > 1 and mask_orientation == 1 and keeps_size
