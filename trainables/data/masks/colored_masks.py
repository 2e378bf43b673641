"""The labels of masks that hold colours."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

_UNKNOWN = 2**16 - 1


class NoColorsError(Exception):
    """A mask has no class colours; the arguments are the fault and its remedy."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what, remedy)


def labels_of_colors(
    image: Image.Image, colors: tuple[tuple[int, int], ...]
) -> tuple[NDArray[np.uint8], dict[int, int]]:
    """Return the raw labels of a mask's colours, and the pixels of every unknown colour code.

    A palette is read by its colours, and a grey value as three equal parts.

    Args:
        image: The decoded mask.
        colors: (colour code, raw label) of every colour.

    Raises:
        NoColorsError: the pixels are not 8-bit colours, or their transparency varies.
    """
    table = _color_table(colors)
    if image.mode == "P":
        palette = np.zeros(256, dtype=np.uint32)
        codes = _codes(image.getpalette("RGBX") or [])
        palette[: len(codes)] = codes
        indices = np.asarray(image)
        counts = np.bincount(indices.reshape(-1), minlength=256)
        labels = table[palette]
        unknown: dict[int, int] = {}
        for index in np.flatnonzero((labels == _UNKNOWN) & (counts > 0)):
            code = int(palette[index])
            unknown[code] = unknown.get(code, 0) + int(counts[index])
        return labels.astype(np.uint8)[indices], unknown
    codes = _codes(_opaque(image).tobytes()).reshape(image.height, image.width)
    labels = table[codes]
    outside = codes[labels == _UNKNOWN]
    values, counts = np.unique(outside, return_counts=True)
    unknown = dict(zip(map(int, values), map(int, counts), strict=True))
    return labels.astype(np.uint8), unknown


def _opaque(image: Image.Image) -> Image.Image:
    """Return the mask as RGBX; uniform transparency is dropped."""
    if image.mode not in {"RGB", "RGBX", "RGBA", "L", "LA", "PA", "1"}:
        what = f"holds {image.mode} pixels, not 8-bit colours"
        raise NoColorsError(what, "save it as an RGB PNG")
    if image.mode in {"RGBA", "LA", "PA"}:
        low, high = image.getchannel("A").getextrema()
        if low != high:
            what = f"has transparency that varies, from {low} to {high}"
            raise NoColorsError(what, "save it without transparency")
    return image.convert("RGB").convert("RGBX")


def _codes(pixels: bytes | list[int]) -> NDArray[np.uint32]:
    """Return the colour codes of RGBX bytes."""
    return np.frombuffer(bytes(pixels), dtype="<u4") & np.uint32(0xFFFFFF)


@lru_cache(maxsize=2)
def _color_table(colors: tuple[tuple[int, int], ...]) -> NDArray[np.uint16]:
    """Return the raw label by colour code, 32 MiB: one look-up per pixel is fastest."""
    table = np.full(2**24, _UNKNOWN, dtype=np.uint16)
    for code, label in colors:
        table[code] = label
    return table
