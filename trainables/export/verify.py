"""Comparison of artifacts with the trained model they were exported from."""

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
class Prediction:
    """A model's prediction for one image."""

    logits: Tensor
    """Logits [1, C, h, w]."""
    classes: Tensor
    """Classes [H, W], at the size of the mask."""


def verify(
    artifact: Callable[[Tensor], Tensor],
    model: Callable[[Tensor], Tensor],
    samples: Iterable[tuple[Tensor, Tensor]],
    num_classes: int,
) -> Verification:
    """Return the comparison of ``artifact`` with ``model`` on ``samples``.

    Args:
        artifact: Takes one image [1, 3, H, W], returns logits.
        model: As ``artifact``.
        samples: Normalised images [3, H, W] with masks [h, w] of classes (255 is ignored).
        num_classes: Number of classes C.

    Raises:
        ValueError: there are no samples.
        NotFiniteError: the artifact or the model returned a logit that is not finite.
    """
    counts, model_counts = (
        torch.zeros(num_classes, num_classes, dtype=torch.int64) for _ in range(2)
    )
    images, same, pixels, difference = 0, 0, 0, 0.0
    with torch.inference_mode():
        for image, mask in samples:
            predicted = _predict(artifact, image, mask, "artifact")
            expected = _predict(model, image, mask, "trained model")
            difference = max(difference, float((predicted.logits - expected.logits).abs().max()))
            same += int((predicted.classes == expected.classes).sum())
            pixels += mask.numel()
            counts += confusion_matrix(predicted.classes, mask, num_classes, IGNORE_INDEX)
            model_counts += confusion_matrix(expected.classes, mask, num_classes, IGNORE_INDEX)
            images += 1
    if not images:
        raise ValueError("an artifact is verified on at least one validation image, got none")
    return Verification(
        images=images,
        agreement=same / pixels,
        miou=mean_iou(counts),
        model_miou=mean_iou(model_counts),
        largest_difference=difference,
    )


def _predict(
    model: Callable[[Tensor], Tensor], image: Tensor, mask: Tensor, name: str
) -> Prediction:
    logits = model(image.unsqueeze(0)).float()
    if not bool(extremes_are_finite(logits)):
        raise NotFiniteError(
            f"the {name}'s logits are not finite; its number format cannot represent its values, "
            "or its training diverged: export another trial"
        )
    return Prediction(logits, resize_logits(logits, mask.shape).argmax(1)[0])
