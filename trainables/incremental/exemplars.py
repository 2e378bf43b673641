"""The choice of old images that represent all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor

    from trainables.models.build import SegmentationModel


def herd(features: Tensor, count: int) -> list[int]:
    """Return at most ``count`` rows whose mean approximates the mean of all, best first.

    Each next row is the one that brings the mean of the chosen rows nearest to the mean of all; the
    first of equally near ones.

    Args:
        features: One row per image, [N, D].
        count: Number of rows, >= 0; at most N are returned.

    Source: Rebuffi et al. 2017, "iCaRL: Incremental Classifier and Representation Learning".
    """
    target = features.double().mean(0)
    chosen: list[int] = []
    total = torch.zeros_like(target)
    free = torch.ones(len(features), dtype=torch.bool)
    while len(chosen) < min(count, len(features)):
        means = (total + features.double()) / (len(chosen) + 1)
        distances = (means - target).square().sum(1).masked_fill(~free, torch.inf)
        best = int(distances.argmin())
        chosen.append(best)
        free[best] = False
        total += features[best].double()
    return chosen


def image_features(model: SegmentationModel, images: Iterable[Tensor]) -> Tensor:
    """Return mean and standard deviation of each class's coarse logits per image.

    ``images`` are batches of one image; the result is on the CPU, [N, 2C].
    """
    model.eval()
    rows = []
    with torch.inference_mode():
        for image in images:
            logits = model.coarse_logits(image)[0].flatten(1).float()
            rows.append(torch.cat((logits.mean(1), logits.std(1, correction=0))).cpu())
    return torch.stack(rows)
