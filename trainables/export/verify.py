"""Comparison of artifacts with the trained model they were made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from trainables.export.record import Verification
from trainables.training.finite import NotFiniteError, extremes_are_finite
from trainables.training.loss import resize_logits
from trainables.training.metrics import IGNORE_INDEX, confusion_matrix, mean_iou

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model says of one image."""

    logits: Tensor
    """1 x C x h x w."""
    classes: Tensor
    """H x W, at the size of the mask."""


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
        NotFiniteError: the artifact or the model returned a logit that is not finite.
    """
    ours, theirs = (torch.zeros(num_classes, num_classes, dtype=torch.int64) for _ in range(2))
    images, same, pixels, difference = 0, 0, 0, 0.0
    with torch.inference_mode():
        for image, mask in samples:
            found = _answer(artifact, image, mask, "artifact")
            wanted = _answer(model, image, mask, "trained model")
            difference = max(difference, float((found.logits - wanted.logits).abs().max()))
            same += int((found.classes == wanted.classes).sum())
            pixels += mask.numel()
            ours += confusion_matrix(found.classes, mask, num_classes, IGNORE_INDEX)
            theirs += confusion_matrix(wanted.classes, mask, num_classes, IGNORE_INDEX)
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


def _answer(model: Callable[[Tensor], Tensor], image: Tensor, mask: Tensor, name: str) -> Answer:
    logits = model(image.unsqueeze(0)).float()
    if not bool(extremes_are_finite(logits)):
        raise NotFiniteError(
            f"the {name}'s logits are not finite; its number format cannot hold its values, or "
            "its training diverged: export another trial"
        )
    return Answer(logits, resize_logits(logits, mask.shape).argmax(1)[0])
