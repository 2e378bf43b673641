"""The EXIF orientation of images and masks.

Images are rotated and mirrored as viewers display them. A mask of the displayed size stays as it
is; a mask that fits only the stored size is transformed like its image. If both sizes are equal
(square, mirrored or upside-down images), the mask counts as drawn on the displayed image.
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
_INVERSE = {6: 8, 8: 6}
"""Inverse of the orientations that are not their own inverse."""


def orientation_of(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8; 1 if there is none or it cannot be read."""
    with suppress(
        Exception
    ):  # Pillow raises many types for broken EXIF data, whose pixels are fine
        value = image.getexif().get(_TAG, 1)
        if value in range(1, 9):
            return int(value)
    return 1


def oriented(labels: Labels, orientation: int) -> Labels:
    """Return a stored mask H x W as it is displayed with an EXIF orientation."""
    return _TRANSFORMS[orientation](labels)


_TRANSFORMS: tuple[Callable[[Labels], Labels], ...] = (
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
"""By orientation; 0 is not used."""


def upright(
    labels: Labels, size: tuple[int, int], *, image_orientation: int, mask_orientation: int
) -> Labels:
    """Return a mask aligned with its displayed image; unchanged if it fits neither way.

    Args:
        labels: The mask as displayed with its own orientation, H x W.
        size: Width and height of the displayed image.
        image_orientation: Orientation of the image file.
        mask_orientation: Orientation of the mask file.
    """
    if mask_orientation > 1:  # the tag may have been copied from the image: try without it
        other = oriented(labels, _INVERSE.get(mask_orientation, mask_orientation))
    else:
        other = oriented(labels, image_orientation)
    shape = (size[1], size[0])
    return other if labels.shape != shape and other.shape == shape else labels


def is_unclear(size: tuple[int, int], image_orientation: int, mask_orientation: int) -> bool:
    """Whether a mask fits both the stored and the displayed image."""
    keeps_size = image_orientation < 5 or size[0] == size[1]
    return image_orientation > 1 and mask_orientation == 1 and keeps_size
