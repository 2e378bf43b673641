"""Pictures of predictions beside image and ground truth."""

from __future__ import annotations

import colorsys
import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

IGNORED_COLOUR = (0, 0, 0)
PANEL_HEIGHT = 192
"""Least height of a panel, pixels; smaller images are enlarged."""
_GOLDEN = (math.sqrt(5) - 1) / 2
_TONES = ((0.75, 0.95), (0.55, 0.65), (0.4, 1.0), (0.9, 0.75))
_GAP, _SWATCH, _ROW, _FONT = 6, 12, 18, 12
_BACKGROUND, _INK = (255, 255, 255), (30, 30, 30)


def class_palette(num_classes: int) -> NDArray[np.uint8]:
    """Return 256 RGB colours, uint8 [256, 3]: one per class, black for every other label.

    Hues advance by the golden ratio: neighbouring classes differ, and a class has the same colour
    for any number of classes.
    """
    palette = np.full((256, 3), IGNORED_COLOUR, dtype=np.uint8)
    for label in range(min(num_classes, 255)):
        hue = (0.58 + label * _GOLDEN) % 1.0
        saturation, value = _TONES[label % len(_TONES)]
        palette[label] = [round(255 * part) for part in colorsys.hsv_to_rgb(hue, saturation, value)]
    return palette


def prediction_picture(
    image: NDArray[np.uint8],
    mask: NDArray[np.integer],
    prediction: NDArray[np.integer],
    class_names: Sequence[str],
) -> Image.Image:
    """Return image, ground truth and prediction side by side over a legend.

    Args:
        image: RGB, uint8 [h, w, 3]; resized to the size of the mask.
        mask: Ground truth [H, W], 255 where ignored.
        prediction: Predicted classes [H, W]; shown black where the mask is ignored.
        class_names: Names by label; the legend lists those in mask or prediction.

    Raises:
        ValueError: mask and prediction differ in shape.
    """
    if mask.shape != prediction.shape:
        raise ValueError(
            f"mask and prediction must have one shape, got {mask.shape} and {prediction.shape}"
        )
    height, width = mask.shape
    shown = np.where(mask == 255, 255, prediction)
    palette = class_palette(len(class_names))
    scale = math.ceil(PANEL_HEIGHT / height)
    size = (width * scale, height * scale)
    panels = [
        Image.fromarray(image).resize(size, Image.Resampling.BILINEAR),
        Image.fromarray(palette[mask.astype(np.uint8)]).resize(size, Image.Resampling.NEAREST),
        Image.fromarray(palette[shown.astype(np.uint8)]).resize(size, Image.Resampling.NEAREST),
    ]
    labels = [int(label) for label in np.union1d(mask, shown) if label < len(class_names)]
    return _assemble(panels, [(class_names[label], palette[label]) for label in labels])


def save_picture(picture: Image.Image, path: Path) -> None:
    """Write ``picture`` as PNG, creating the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, format="PNG")


def _assemble(
    panels: Sequence[Image.Image], legend: Sequence[tuple[str, NDArray[np.uint8]]]
) -> Image.Image:
    width, height = panels[0].size
    total = 3 * width + 4 * _GAP
    font = _font()
    places = _legend_places([(name, font.getlength(name)) for name, _ in legend], total)
    top = _ROW + height + _GAP
    bottom = top + (max((y for _, y in places), default=-_ROW) + _ROW) + _GAP
    canvas = Image.new("RGB", (total, bottom), _BACKGROUND)
    draw = ImageDraw.Draw(canvas)
    for column, (panel, title) in enumerate(
        zip(panels, ("image", "ground truth", "prediction"), strict=True)
    ):
        left = _GAP + column * (width + _GAP)
        draw.text((left, 2), title, fill=_INK, font=font)
        canvas.paste(panel, (left, _ROW))
    for (name, colour), (x, y) in zip(legend, places, strict=True):
        box = (x, top + y + 2, x + _SWATCH, top + y + 2 + _SWATCH)
        draw.rectangle(box, fill=tuple(int(part) for part in colour), outline=_INK)
        draw.text((x + _SWATCH + 4, top + y), name, fill=_INK, font=font)
    return canvas


@lru_cache(maxsize=1)
def _font() -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size=_FONT)


def _legend_places(entries: Sequence[tuple[str, float]], width: int) -> list[tuple[int, int]]:
    """Return x and y of each entry's swatch, in rows of at most ``width`` pixels."""
    places = []
    x, y = _GAP, 0
    for _, length in entries:
        needed = _SWATCH + 4 + math.ceil(length) + 2 * _GAP
        if x > _GAP and x + needed > width:
            x, y = _GAP, y + _ROW
        places.append((x, y))
        x += needed
    return places
