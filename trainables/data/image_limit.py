"""How large an image may be to be decoded."""

from __future__ import annotations

from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

import psutil
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator

BYTES_PER_PIXEL = 12
"""Memory that decoding takes: 4 bytes for Pillow's pixels, 4 for a turned or converted copy, 3 for
the array, and a margin."""
LARGE_PIXELS = 2**26
"""Images above are decoded one at a time, after a look at the available memory."""

# Pillow warns from 89 million pixels on and refuses twice as many, whatever the memory. This limit
# takes its place for the whole process, so that neither its warning nor its error appears.
Image.MAX_IMAGE_PIXELS = None

_one_large_image = Lock()


class TooLargeError(Exception):
    """An image is over the limit; the message gives size and limit."""


@contextmanager
def within_limit(size: tuple[int, int], max_pixels: int | None) -> Iterator[None]:
    """Hold the right to decode an image of that size while the context is open.

    Args:
        size: Width and height.
        max_pixels: The limit that the user set; None: what the available memory allows.

    Raises:
        TooLargeError: the image is over the limit.
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
