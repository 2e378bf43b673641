"""Comparison of an artifact with the trained model it was made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from trainables.training.loss import resize_logits
from trainables.training.metrics import IGNORE_INDEX, confusion_matrix, mean_iou

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torch import Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class Verification:
    """How an artifact does beside the model it was made from, on the same images."""

    images: int
    """Images that were looked at, >= 1."""
    agreement: float
    """Share of all pixels for which both name the same class, [0, 1]."""
    miou: float
    """Dataset-level mIoU of the artifact over these images, [0, 1]."""
    model_miou: float
    """That of the model."""
    largest_difference: float
    """Largest difference of a logit, >= 0."""


def verify(
    artifact: Callable[[Tensor], Tensor],
    model: Callable[[Tensor], Tensor],
    samples: Iterable[tuple[Tensor, Tensor]],
    num_classes: int,
) -> Verification:
    """Return how ``artifact`` compares with ``model``, image by image.

    Args:
        artifact: Takes one image 1 x 3 x H x W, returns logits.
        model: The same of the model.
        samples: Images 3 x H x W, normalised, with masks h x w of training ids (255 is ignored).
        num_classes: Number of classes C.

    Raises:
        ValueError: there are no samples.
    """
    ours, theirs = (torch.zeros(num_classes, num_classes, dtype=torch.int64) for _ in range(2))
    images, same, pixels, difference = 0, 0, 0, 0.0
    with torch.inference_mode():
        for image, mask in samples:
            logits, expected = artifact(image.unsqueeze(0)), model(image.unsqueeze(0))
            difference = max(difference, float((logits - expected).abs().max()))
            found, wanted = (
                resize_logits(scores.float(), mask.shape).argmax(1)[0]
                for scores in (logits, expected)
            )
            same += int((found == wanted).sum())
            pixels += found.numel()
            ours += confusion_matrix(found, mask, num_classes, IGNORE_INDEX)
            theirs += confusion_matrix(wanted, mask, num_classes, IGNORE_INDEX)
            images += 1
    if not images:
        raise ValueError("an artifact is verified on validation images, and there are none")
    return Verification(
        images=images,
        agreement=same / pixels,
        miou=mean_iou(ours),
        model_miou=mean_iou(theirs),
        largest_difference=difference,
    )
