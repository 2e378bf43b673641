"""Random transforms that image, mask and soft labels go through together."""

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

    from search_spaces.config import Resolution

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

ZOOM_OUT, ZOOM_IN = 1.4, 2.0
"""Largest factors by which full strength makes things smaller and larger."""
MAX_ANGLE = 8.0
"""Largest rotation at full strength, degrees."""
JITTER = 0.4
"""Largest relative change of brightness, contrast and saturation at full strength."""


class SoftLabels(tv_tensors.TVTensor):  # type: ignore[misc]
    """A teacher's logits (C x h x w), which move with the image but have no colours."""


class RandomView(v2.Transform):  # type: ignore[misc]
    """Zoom, shift, rotate, mirror, on request turn over in one resampling, the same for all inputs.

    The view is drawn in relative coordinates, so inputs of different height and width stay
    aligned. Outside the image a mask holds ``IGNORE``; image and soft labels repeat their border.
    """

    _transformed_types = (tv_tensors.Image, tv_tensors.Mask, SoftLabels)

    def __init__(
        self, strength: float, resolution: Resolution, *, vertical_flips: bool = False
    ) -> None:
        """Draw views of ``strength`` in [0, 1] of images of ``resolution``.

        With ``vertical_flips`` one of two views stands on its head.
        """
        super().__init__()
        self.vertical_flips = vertical_flips
        self.strength = strength
        self.aspect = resolution.width / resolution.height

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Return the affine map from a place in the view to its place in the input."""
        del flat_inputs
        low, high = -self.strength * math.log(ZOOM_OUT), self.strength * math.log(ZOOM_IN)
        zoom, angle, shift_x, shift_y, mirror = torch.rand(5).tolist()
        inverse = math.exp(-(low + (high - low) * zoom))
        radians = math.radians((2 * angle - 1) * MAX_ANGLE * self.strength)
        room = abs(1 - inverse)
        across = -inverse if mirror < 0.5 and self.strength > 0 else inverse
        down = -inverse if self._on_its_head() else inverse
        cos, sin = math.cos(radians), math.sin(radians)
        theta = [
            [across * cos, -down * sin / self.aspect, (2 * shift_x - 1) * room],
            [across * sin * self.aspect, down * cos, (2 * shift_y - 1) * room],
        ]
        return {"theta": torch.tensor([theta]), "grids": {}}

    def _on_its_head(self) -> bool:
        return self.vertical_flips and self.strength > 0 and float(torch.rand(())) < 0.5

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:  # noqa: ANN401 - torchvision's
        """Return ``inpt`` seen through the view."""
        plain = inpt.as_subclass(torch.Tensor)
        grid = _grid(plain, params)
        if isinstance(inpt, tv_tensors.Mask):
            # Zero padding is the only constant one, so the mask is moved until IGNORE is zero.
            moved = _sample(plain.unsqueeze(0).float() - IGNORE, grid, "nearest", "zeros")
            return tv_tensors.wrap((moved + IGNORE).squeeze(0).to(plain.dtype), like=inpt)
        moved = _sample(plain.float(), grid, "bilinear", "border")
        return tv_tensors.wrap(moved.to(plain.dtype), like=inpt)


class JointTransform:
    """Turns one decoded sample into what a model trains on.

    Takes the image (uint8, 3 x H x W, RGB), the mask (uint8, H x W, training ids) and, if there
    are any, soft labels (floating, C x h x w). Returns the image (float32, ImageNet-normalised),
    the mask (int64) and the soft labels (their type kept, None where none were given). Colours
    change in the image only.
    """

    def __init__(self, *transforms: v2.Transform) -> None:
        """Apply ``transforms`` between the conversion to float and the normalisation."""
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

        A seed leaves torch's global generator as it was; None draws from it.
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

    ``strength`` in [0, 1] scales all ranges together; 0 changes nothing, not even by mirroring.
    With ``vertical_flips`` images are mirrored upside down too, one of two.

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
    """Return the transform of validation samples: normalisation and nothing random."""
    return JointTransform()


def to_picture(image: Tensor) -> Tensor:
    """Return a normalised image (... x 3 x H x W) as the uint8 picture it came from."""
    mean = torch.tensor(IMAGENET_MEAN, device=image.device).view(3, 1, 1)
    std = torch.tensor(IMAGENET_STD, device=image.device).view(3, 1, 1)
    return ((image * std + mean) * 255).round().clamp(0, 255).to(torch.uint8)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    # torch.manual_seed would seed the GPUs too, under the feet of the training that runs there.
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
