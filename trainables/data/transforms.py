"""Inputs of a network from decoded batches: random views and colours, on any device."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from trainables.data.masks.labels import IGNORE

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from search_spaces.resolution import Resolution

Batch: TypeAlias = "dict[str, Tensor]"
"""Decoded: ``image`` [N, H, W, 3] and ``mask`` [N, H, W], both uint8; ``view`` [N, 2, 3] and
``colour`` [N, 3] if they are transformed; ``soft`` [N, C, h, w] if there are soft labels. As inputs
of a network: ``image`` [N, 3, H, W] floating, ``mask`` int64, ``soft`` floating."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

ZOOM_OUT, ZOOM_IN = 1.4, 2.0
"""Largest reduction and enlargement at full strength."""
MAX_ANGLE = 8.0
"""Largest rotation at full strength, degrees."""
JITTER = 0.4
"""Largest relative change of brightness, contrast and saturation at full strength."""
DRAWS = 9
"""Uniform numbers that the transform of one image takes."""
_GRAY = (0.2989, 0.587, 0.114)
"""Weights of red, green and blue in the luma of ITU-R BT.601."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RandomTransform:
    """The distribution of random views and colours of training images."""

    strength: float
    """Scales all ranges, [0, 1]; 0 changes nothing and does not mirror."""
    aspect: float
    """Width over height of the images."""
    vertical_flips: bool = False
    """Mirror half of the images upside down too."""

    def __post_init__(self) -> None:
        """Check the strength.

        Raises:
            ValueError: ``strength`` is not in [0, 1].
        """
        if not 0 <= self.strength <= 1:
            raise ValueError(f"augmentation strength must be in [0, 1], got {self.strength}")

    @classmethod
    def of(
        cls, strength: float, resolution: Resolution, *, vertical_flips: bool = False
    ) -> RandomTransform:
        """Return the transform of images of ``resolution``."""
        aspect = resolution.width / resolution.height
        return cls(strength=strength, aspect=aspect, vertical_flips=vertical_flips)

    def parameters(self, uniforms: NDArray[np.float32]) -> Batch:
        """Return the ``view`` and ``colour`` of each row of ``uniforms``, [N, ``DRAWS``] in [0, 1).

        A view zooms, rotates, mirrors and shifts, as the affine map from its coordinates to those
        of the image, both relative. So inputs of different height and width stay aligned. A colour
        has factors of brightness, contrast and saturation. Without strength both are absent.
        """
        if self.strength == 0:
            return {}
        zoom, angle, shift_x, shift_y, mirror, flip, *colours = torch.from_numpy(uniforms).T
        low, high = -self.strength * math.log(ZOOM_OUT), self.strength * math.log(ZOOM_IN)
        scale = torch.exp(-(low + (high - low) * zoom))
        radians = (2 * angle - 1) * math.radians(MAX_ANGLE) * self.strength
        margin = (1 - scale).abs()
        across = torch.where(mirror < 0.5, -scale, scale)
        down = torch.where(flip < 0.5, -scale, scale) if self.vertical_flips else scale
        cos, sin = torch.cos(radians), torch.sin(radians)
        view = [
            [across * cos, -down * sin / self.aspect, (2 * shift_x - 1) * margin],
            [across * sin * self.aspect, down * cos, (2 * shift_y - 1) * margin],
        ]
        return {
            "view": torch.stack([torch.stack(row, dim=1) for row in view], dim=1),
            "colour": 1 + (2 * torch.stack(colours, dim=1) - 1) * JITTER * self.strength,
        }


def network_inputs(batch: Batch) -> Batch:
    """Return the inputs of a network from a decoded ``batch``, on its device.

    Image, mask and soft labels are resampled alike; outside the image the mask holds ``IGNORE``,
    image and soft labels repeat their border. Colours change in the image only. No operation waits
    for the device.
    """
    image = _unit_scale(batch["image"])
    inputs: Batch = {name: batch[name] for name in ("mask", "soft") if name in batch}
    if "view" in batch:
        grid = _grid(batch["view"], image)
        image = functional.grid_sample(
            image, grid, mode="bilinear", padding_mode="border", align_corners=False
        )
        _change_colours(image, batch["colour"])
        if "mask" in inputs:
            inputs["mask"] = _moved_mask(inputs["mask"], grid)
        if "soft" in inputs:
            inputs["soft"] = functional.grid_sample(
                inputs["soft"].float(),
                _grid(batch["view"], inputs["soft"]),
                mode="bilinear",
                padding_mode="border",
                align_corners=False,
            )
    inputs["image"] = _normalize(image)
    if "mask" in inputs:
        inputs["mask"] = inputs["mask"].long()
    return inputs


def normalized(pictures: Tensor) -> Tensor:
    """Return uint8 pictures [N, H, W, 3] as the image input of a network, float32 [N, 3, H, W]."""
    return _normalize(_unit_scale(pictures))


def _unit_scale(pictures: Tensor) -> Tensor:
    return pictures.permute(0, 3, 1, 2).to(torch.float32).mul_(1 / 255)


def _normalize(image: Tensor) -> Tensor:
    """Normalize ``image`` in place."""
    return image.sub_(_channels(IMAGENET_MEAN, image)).div_(_channels(IMAGENET_STD, image))


def _channels(values: Sequence[float], image: Tensor) -> Tensor:
    """Return a value per channel, [3, 1, 1], filled in on the device, as copies wait for it."""
    filled = [torch.full((1, 1), value, device=image.device) for value in values]
    return torch.stack(filled)


def _grid(view: Tensor, values: Tensor) -> Tensor:
    size = [len(view), 1, *values.shape[-2:]]
    return functional.affine_grid(view, size, align_corners=False)


def _moved_mask(mask: Tensor, grid: Tensor) -> Tensor:
    # grid_sample pads with zeros only, so the mask is shifted to make IGNORE zero.
    shifted = mask.unsqueeze(1).float().sub_(IGNORE)
    moved = functional.grid_sample(
        shifted, grid, mode="nearest", padding_mode="zeros", align_corners=False
    )
    return moved.squeeze(1).add_(IGNORE)


def _change_colours(image: Tensor, colour: Tensor) -> None:
    """Change ``image`` in [0, 1] in place.

    Saturation mixes a pixel with its gray value, contrast with the mean gray value of the image,
    and brightness multiplies. All three keep gray values gray, so their order has no effect, and
    the result is clamped once.
    """
    brightness, contrast, saturation = colour.view(-1, 3, 1, 1, 1).unbind(1)
    red, green, blue = (
        channel * weight for channel, weight in zip(image.unbind(1), _GRAY, strict=True)
    )
    gray = red.add_(green).add_(blue).unsqueeze(1)
    offset = (1 - contrast) * gray.mean(dim=(2, 3), keepdim=True)
    gray.mul_(contrast * (1 - saturation)).add_(offset).mul_(brightness)
    image.mul_(brightness * contrast * saturation).add_(gray).clamp_(0, 1)
