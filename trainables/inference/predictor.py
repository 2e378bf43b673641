"""Class masks from a packed model, with torch, numpy and Pillow alone.

This file is copied into every packed model, so it imports nothing of its own package.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

PROGRAM = "program.pt2"
"""Exported program of a packed model: normalised images in, logits out."""
DESCRIPTION = "model.json"
"""Description of a packed model: classes, resolution, preprocessing, costs."""
MODES = ("resize", "sliding")
DEFAULT_BATCH = 8


class PackedModelError(ValueError):
    """A packed model is torn, an argument is invalid, or a logit is not finite."""


class Predictor:
    """A loaded packed model; not thread-safe."""

    def __init__(
        self,
        program: Callable[[Tensor], Tensor],
        description: Mapping[str, Any],
        device: torch.device | None = None,
    ) -> None:
        """Predict with ``program``, which is on ``device`` (None: the CPU)."""
        preprocessing = description["preprocessing"]
        height, width = description["resolution"]
        self.description = dict(description)
        self.class_names = tuple(str(name) for name in description["class_names"])
        self.size = (int(height), int(width))
        self.device = device or torch.device("cpu")
        self._program = program
        self._mean = _channels(preprocessing["mean"], self.device)
        self._std = _channels(preprocessing["std"], self.device)

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> Predictor:
        """Return the predictor of the packed model in ``folder``, whose digest is checked.

        Raises:
            PackedModelError: files are missing or altered.
        """
        try:
            description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
            with (folder / PROGRAM).open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except (OSError, ValueError) as error:
            raise PackedModelError(f"{folder} is no packed model: {error}") from error
        if digest != description["program_sha256"]:
            raise PackedModelError(
                f"{folder / PROGRAM} is not the program that was packed: its SHA-256 is {digest}, "
                f"expected {description['program_sha256']}; copy the model again"
            )
        program = torch.export.load(folder / PROGRAM).module().to(device)
        return cls(program, description, torch.device(device))

    def masks(
        self,
        images: NDArray[np.uint8],
        *,
        mode: str = "resize",
        overlap: float = 0.25,
        zoom: float = 0.0,
        size: tuple[int, int] | None = None,
        batch_size: int = DEFAULT_BATCH,
    ) -> NDArray[np.uint8]:
        """Return the class of every pixel, uint8 [N, H, W].

        Args:
            images: RGB images of one size, uint8 [N, H, W, 3].
            mode: ``resize`` stretches an image to the size the model was trained on; ``sliding``
                moves a window of that size over it and averages where windows overlap.
            overlap: Least overlap of neighbouring windows over the window's side, [0, 1).
            zoom: ``sliding`` only: side of the resized image over that of a window, >= 1; 0 keeps
                the size and enlarges an image that is smaller than a window.
            size: Height and width of the masks; None for those of the images.
            batch_size: Images or windows per forward pass, >= 1.

        Raises:
            PackedModelError: an argument is impossible, or a logit is not finite.
        """
        self._check(images, mode, overlap, zoom, batch_size)
        target = size or (int(images.shape[1]), int(images.shape[2]))
        masks = []
        with torch.inference_mode():
            if mode == "resize":
                for start in range(0, len(images), batch_size):
                    logits = self.logits(images[start : start + batch_size])
                    masks += [_classes(each[None], target) for each in logits]
            else:
                masks = [
                    _classes(self._slide(image, overlap, zoom, batch_size), target)
                    for image in images
                ]
        return np.concatenate(masks) if masks else np.zeros((0, *target), np.uint8)

    def logits(self, images: NDArray[np.uint8]) -> Tensor:
        """Return logits [N, C, h, w] of images [N, H, W, 3] stretched to the model's size.

        Raises:
            PackedModelError: a logit is not finite.
        """
        stretched = np.stack([_stretch(image, self.size) for image in images])
        logits = self._program(self.prepare(stretched)).float()
        low, high = torch.aminmax(logits)
        if not bool(low.isfinite() & high.isfinite()):
            raise PackedModelError(
                "the model's logits are not finite, so it predicts no class; it diverged in "
                "training, or its number format cannot represent its values: use another model"
            )
        return logits

    def prepare(self, images: NDArray[np.uint8]) -> Tensor:
        """Return the normalised tensor [N, 3, H, W] of uint8 images [N, H, W, 3]."""
        pixels = torch.from_numpy(np.ascontiguousarray(images)).to(self.device)
        scaled = pixels.permute(0, 3, 1, 2).float() / 255
        normalised = (scaled - self._mean) / self._std
        return normalised.contiguous(memory_format=torch.channels_last)

    def run(self, prepared: Tensor) -> Tensor:
        """Return the program's output for a prepared tensor, for latency measurements."""
        with torch.inference_mode():
            return self._program(prepared)

    def _slide(
        self, image: NDArray[np.uint8], overlap: float, zoom: float, batch_size: int
    ) -> Tensor:
        """Return averaged logits [1, C, H, W] of one image, at the size of its canvas."""
        height, width = self.size
        scaled = _stretch(image, _canvas(image.shape[:2], self.size, zoom))
        rows = window_starts(scaled.shape[0], height, overlap)
        columns = window_starts(scaled.shape[1], width, overlap)
        corners = [(top, left) for top in rows for left in columns]
        total = torch.zeros((1, len(self.class_names), *scaled.shape[:2]), device=self.device)
        count = torch.zeros((1, 1, *scaled.shape[:2]), device=self.device)
        for start in range(0, len(corners), batch_size):
            batch = corners[start : start + batch_size]
            windows = [scaled[top : top + height, left : left + width] for top, left in batch]
            for (top, left), logits in zip(batch, self.logits(np.stack(windows)), strict=True):
                view = (..., slice(top, top + height), slice(left, left + width))
                total[view] += logits
                count[view] += 1
        return total / count

    def _check(
        self, images: NDArray[np.uint8], mode: str, overlap: float, zoom: float, batch_size: int
    ) -> None:
        if images.ndim != 4 or images.shape[-1] != 3 or images.dtype != np.uint8:
            raise PackedModelError(
                f"images must be uint8 of shape [N, H, W, 3], got {images.dtype} of shape "
                f"{list(images.shape)}"
            )
        if not min(images.shape[1:3]) > 0:
            raise PackedModelError(f"images must have pixels, got shape {list(images.shape)}")
        if mode not in MODES:
            raise PackedModelError(f"mode must be one of {', '.join(MODES)}, got {mode!r}")
        if not 0 <= overlap < 1:
            raise PackedModelError(f"overlap must be in [0, 1), got {overlap}")
        if not (zoom == 0 or zoom >= 1):
            raise PackedModelError(f"zoom must be 0 or at least 1, got {zoom}")
        if not batch_size >= 1:
            raise PackedModelError(f"batch_size must be at least 1, got {batch_size}")


def window_starts(length: int, window: int, overlap: float) -> list[int]:
    """Return the starts of evenly spaced windows that cover ``length``; [0] for a single window.

    Neighbours overlap by at least ``overlap`` of a window, and the last window ends at ``length``.
    """
    last = length - window
    if last <= 0:
        return [0]
    step = max(1, int(window * (1 - overlap)))
    steps = -(-last // step)
    return [round(index * last / steps) for index in range(steps + 1)]


def _canvas(image: Sequence[int], window: tuple[int, int], zoom: float) -> tuple[int, int]:
    """Return the size (H, W) that an image is resized to before windows move over it."""
    if zoom >= 1:
        return round(window[0] * zoom), round(window[1] * zoom)
    scale = max(1.0, window[0] / image[0], window[1] / image[1])
    return max(window[0], round(image[0] * scale)), max(window[1], round(image[1] * scale))


def _stretch(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the image at ``size`` (H, W), antialiased bilinear, as in the training."""
    if image.shape[:2] == size:
        return image
    resized = Image.fromarray(image).resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return np.asarray(resized, dtype=np.uint8)


def _classes(logits: Tensor, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the best class per pixel [N, H, W] of logits interpolated to ``size``."""
    if tuple(logits.shape[-2:]) != size:
        logits = functional.interpolate(logits, size=size, mode="bilinear", align_corners=False)
    classes: NDArray[np.uint8] = logits.argmax(1).to(torch.uint8).cpu().numpy()
    return classes


def _channels(values: Sequence[float], device: torch.device) -> Tensor:
    return torch.tensor(values, dtype=torch.float32, device=device).view(1, 3, 1, 1)
