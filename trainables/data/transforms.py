"""Random transforms of image, mask and soft labels together."""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional
from torchvision import tv_tensors
from torchvision.transforms import v2

from trainables.data.masks.labels import IGNORE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from search_spaces.resolution import Resolution

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

ZOOM_OUT, ZOOM_IN = 1.4, 2.0
"""Largest reduction and enlargement at full strength."""
MAX_ANGLE = 8.0
"""Largest rotation at full strength, degrees."""
JITTER = 0.4
"""Largest relative change of brightness, contrast and saturation at full strength."""


class SoftLabels(tv_tensors.TVTensor):  # type: ignore[misc]
    """A teacher's logits (C x h x w): transformed geometrically, with no colour changes."""


class RandomView(v2.Transform):  # type: ignore[misc]
    """Zooms, shifts, rotates and mirrors all inputs alike, in one resampling.

    The view is drawn in relative coordinates, so inputs of different height and width stay
    aligned. Outside the image a mask holds ``IGNORE``; image and soft labels repeat their border.
    """

    _transformed_types = (tv_tensors.Image, tv_tensors.Mask, SoftLabels)

    def __init__(
        self, strength: float, resolution: Resolution, *, vertical_flips: bool = False
    ) -> None:
        """Draw views of ``strength`` in [0, 1] of images of ``resolution``.

        With ``vertical_flips`` half of the views are upside down.
        """
        super().__init__()
        self.vertical_flips = vertical_flips
        self.strength = strength
        self.aspect = resolution.width / resolution.height

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Return the affine map from coordinates of the view to those of the input."""
        del flat_inputs
        low, high = -self.strength * math.log(ZOOM_OUT), self.strength * math.log(ZOOM_IN)
        zoom, angle, shift_x, shift_y, mirror = torch.rand(5).tolist()
        inverse = math.exp(-(low + (high - low) * zoom))
        radians = math.radians((2 * angle - 1) * MAX_ANGLE * self.strength)
        room = abs(1 - inverse)
        across = -inverse if mirror < 0.5 and self.strength > 0 else inverse
        down = -inverse if self._flips_vertically() else inverse
        cos, sin = math.cos(radians), math.sin(radians)
        theta = [
            [across * cos, -down * sin / self.aspect, (2 * shift_x - 1) * room],
            [across * sin * self.aspect, down * cos, (2 * shift_y - 1) * room],
        ]
        return {"theta": torch.tensor([theta]), "grids": {}}

    def _flips_vertically(self) -> bool:
        return self.vertical_flips and self.strength > 0 and float(torch.rand(())) < 0.5

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:  # noqa: ANN401 - torchvision's
        """Return the view of ``inpt``."""
        plain = inpt.as_subclass(torch.Tensor)
        grid = _grid(plain, params)
        if isinstance(inpt, tv_tensors.Mask):
            # grid_sample pads with zeros only, so the mask is shifted to make IGNORE zero.
            moved = _sample(plain.unsqueeze(0).float() - IGNORE, grid, "nearest", "zeros")
            return tv_tensors.wrap((moved + IGNORE).squeeze(0).to(plain.dtype), like=inpt)
        moved = _sample(plain.float(), grid, "bilinear", "border")
        return tv_tensors.wrap(moved.to(plain.dtype), like=inpt)


class JointTransform:
    """Transforms one decoded sample for training or validation.

    Takes the image (uint8, 3 x H x W, RGB), the mask (uint8, H x W, training ids) and optional soft
    labels (floating, C x h x w). Returns the image (float32, ImageNet-normalized), the mask (int64)
    and the soft labels (same type, or None). Colours change in the image only.
    """

    def __init__(self, *transforms: v2.Transform) -> None:
        """Apply ``transforms`` between the conversion to float and the normalization."""
        self._pipeline = v2.Compose(
            [
                v2.ToDtype({tv_tensors.Image: torch.float32, "others": None}, scale=True),
                *transforms,
                v2.Normalize(IMAGENET_MEAN, IMAGENET_STD),
            ]
        )

    def __call__(
        self, image: Tensor, mask: Tensor, soft: Tensor | None = None, *, seed: int | None = None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return image, mask and soft labels; the same ``seed`` gives the same result.

        With a seed, torch's global generator keeps its state; None draws from it.
        """
        if seed is None:
            return self._apply(image, mask, soft)
        with _seeded(seed):
            return self._apply(image, mask, soft)

    def _apply(
        self, image: Tensor, mask: Tensor, soft: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        inputs = [tv_tensors.Image(image), tv_tensors.Mask(mask)]
        if soft is not None:
            inputs.append(soft.as_subclass(SoftLabels))
        outputs = [output.as_subclass(torch.Tensor) for output in self._pipeline(*inputs)]
        return outputs[0], outputs[1].long(), outputs[2] if soft is not None else None


def train_transform(
    strength: float, resolution: Resolution, *, vertical_flips: bool = False
) -> JointTransform:
    """Return the random transform of training samples of ``resolution``.

    ``strength`` in [0, 1] scales all ranges; 0 changes nothing and does not mirror. With
    ``vertical_flips`` half of the images are mirrored upside down too.

    Raises:
        ValueError: ``strength`` is not in [0, 1].
    """
    if not 0 <= strength <= 1:
        raise ValueError(f"augmentation strength must be in [0, 1], got {strength}")
    if strength == 0:
        return eval_transform()
    jitter = JITTER * strength
    return JointTransform(
        RandomView(strength, resolution, vertical_flips=vertical_flips),
        v2.ColorJitter(brightness=jitter, contrast=jitter, saturation=jitter),
    )


def eval_transform() -> JointTransform:
    """Return the transform of validation samples, which only normalizes."""
    return JointTransform()


def to_picture(image: Tensor) -> Tensor:
    """Return a normalized image (... x 3 x H x W) as the uint8 picture that it was made from."""
    mean = torch.tensor(IMAGENET_MEAN, device=image.device).view(3, 1, 1)
    std = torch.tensor(IMAGENET_STD, device=image.device).view(3, 1, 1)
    return ((image * std + mean) * 255).round().clamp(0, 255).to(torch.uint8)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    # torch.manual_seed would also reseed the GPUs, on which the training runs.
    generator = torch.default_generator
    state = generator.get_state()
    generator.manual_seed(seed)
    try:
        yield
    finally:
        generator.set_state(state)


def _grid(plain: Tensor, params: dict[str, Any]) -> Tensor:
    height, width = plain.shape[-2:]
    grids: dict[tuple[int, int], Tensor] = params["grids"]
    if (height, width) not in grids:
        size = [1, 1, height, width]
        grids[height, width] = functional.affine_grid(params["theta"], size, align_corners=False)
    return grids[height, width]


def _sample(plain: Tensor, grid: Tensor, mode: str, padding: str) -> Tensor:
    return functional.grid_sample(
        plain.unsqueeze(0), grid, mode=mode, padding_mode=padding, align_corners=False
    ).squeeze(0)
