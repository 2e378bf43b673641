"""The size limit of decoded images."""

from __future__ import annotations

from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

import psutil
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator

BYTES_PER_PIXEL = 12
"""Memory of a decoded pixel: 4 bytes for Pillow's image, 4 for an oriented or converted copy, 3 for
the array, and a margin."""
LARGE_PIXELS = 2**26
"""Larger images are decoded one at a time, if the available memory suffices."""

# Pillow warns above 89 million pixels and refuses twice as many, regardless of the memory. This
# module's limit replaces that of Pillow in the whole process.
Image.MAX_IMAGE_PIXELS = None

_one_large_image = Lock()


class TooLargeError(Exception):
    """An image is larger than the limit; the message gives both."""


@contextmanager
def within_limit(size: tuple[int, int], max_pixels: int | None) -> Iterator[None]:
    """Context in which an image of that size may be decoded.

    Args:
        size: Width and height.
        max_pixels: Limit set by the user; None: what the available memory allows.

    Raises:
        TooLargeError: the image is larger than the limit.
    """
    pixels = size[0] * size[1]
    if max_pixels is not None and pixels > max_pixels:
        raise TooLargeError(_text(size, f"{max_pixels:,} pixels"))
    if pixels <= LARGE_PIXELS:
        yield
        return
    with _one_large_image:
        available = psutil.virtual_memory().available
        if max_pixels is None and pixels * BYTES_PER_PIXEL > available:
            allowed = f"{available // BYTES_PER_PIXEL:,} pixels in the {available / 2**30:.1f} GiB"
            raise TooLargeError(_text(size, f"{allowed} of available memory"))
        yield


def _text(size: tuple[int, int], limit: str) -> str:
    return f"is {size[0]}x{size[1]} ({size[0] * size[1]:,} pixels), over the limit of {limit}"
