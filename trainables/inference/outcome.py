"""Files of predicted masks: label images, overlays, class shares."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from trainables.io.pictures import class_palette, save_picture

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

MASKS, OVERLAYS, SHARES = "masks", "overlays", "shares.csv"
OPACITY = 0.5
"""Weight of the class colours over the image, [0, 1]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """The prediction for one image."""

    name: str
    """Name of its files, without folder and suffix."""
    shares: Mapping[str, float]
    """Share of the pixels by class name, summing to 1; 0 for absent classes."""


def write_outcome(
    folder: Path,
    name: str,
    image: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    class_names: Sequence[str],
) -> Outcome:
    """Write mask and overlay of one image into ``folder``; return the prediction.

    The mask is a PNG whose pixel values are the classes, with the classes' colours as its palette.

    Args:
        folder: Created if it is missing.
        name: Name of the files, which may contain folders.
        image: RGB, uint8 [H, W, 3].
        mask: Predicted classes, uint8 [H, W].
        class_names: Names by label.
    """
    palette = class_palette(len(class_names))
    labels = Image.fromarray(mask)
    labels.putpalette(palette.tobytes())
    save_picture(labels, folder / MASKS / f"{name}.png")
    save_picture(overlay(image, mask, palette), folder / OVERLAYS / f"{name}.png")
    return Outcome(name=name, shares=class_shares(mask, class_names))


def overlay(
    image: NDArray[np.uint8], mask: NDArray[np.uint8], palette: NDArray[np.uint8]
) -> Image.Image:
    """Return ``image`` [H, W, 3] tinted by the class colours of ``mask`` [H, W]."""
    mixed = (1 - OPACITY) * image.astype(np.float32) + OPACITY * palette[mask].astype(np.float32)
    return Image.fromarray(mixed.round().astype(np.uint8))


def class_shares(mask: NDArray[np.uint8], class_names: Sequence[str]) -> dict[str, float]:
    """Return the share of pixels of each class, in [0, 1], in label order."""
    counts = np.bincount(mask.reshape(-1), minlength=len(class_names))
    return {
        name: float(count) / mask.size
        for name, count in zip(class_names, counts[: len(class_names)], strict=True)
    }


def shares_csv(outcomes: Sequence[Outcome], class_names: Sequence[str]) -> str:
    """Return one line per image, one column per class, shares with six digits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["image", *class_names])
    for outcome in outcomes:
        writer.writerow([outcome.name, *(f"{outcome.shares[name]:.6f}" for name in class_names)])
    return text.getvalue()
