"""Result files of a trial: scores of each class, pictures of predictions."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import torch

from trainables.io.atomic import write_atomically
from trainables.io.claim import changing
from trainables.io.pictures import prediction_picture, save_picture
from trainables.training.loss import resize_logits

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import nn

    from trainables.data.dataset import SegmentationDataset
    from trainables.training.compute import Compute
    from trainables.training.metrics import Scores

CLASS_IOU = "class_iou.json"
"""IoU of each class, null for an absent one, with the confusion matrix."""
PICTURES = "pictures"
"""Folder of predictions."""


def write_class_iou(folder: Path, scores: Scores, class_names: Sequence[str]) -> str:
    """Write the scores of each class; return the file's name."""
    iou = [None if math.isnan(value) else value for value in scores.iou]
    content = {
        "miou": scores.miou,
        "iou": dict(zip(class_names, iou, strict=True)),
        "confusion_matrix": {"rows": "truth", "counts": scores.matrix.tolist()},
    }
    write_atomically(folder / CLASS_IOU, json.dumps(content, indent=1).encode())
    return CLASS_IOU


def write_pictures(
    folder: Path, model: nn.Module, dataset: SegmentationDataset, compute: Compute, count: int
) -> list[str]:
    """Write predictions for ``count`` images spread over ``dataset``; return the files' names.

    The model stays in evaluation mode. The images are the same for every model; the file names
    contain their indices.
    """
    model.eval()
    names = []
    for index in spread(len(dataset), count):
        prediction, mask = _predict(model, dataset, index, compute)
        picture = prediction_picture(
            dataset.picture(index), mask.numpy(), prediction.numpy(), dataset.class_names
        )
        names.append(f"{PICTURES}/val-{index:04d}.png")
        with changing(folder / names[-1]):
            save_picture(picture, folder / names[-1])
    return names


def spread(size: int, count: int) -> list[int]:
    """Return ``count`` indices spread evenly over range(size), at most ``size``."""
    count = min(size, count)
    return [(2 * i + 1) * size // (2 * count) for i in range(count)]


def _predict(
    model: nn.Module, dataset: SegmentationDataset, index: int, compute: Compute
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return prediction and mask of one image, each [H, W]."""
    inputs = compute.inputs(dataset.batch([index]))
    with torch.inference_mode(), compute.autocast():
        logits = model(inputs["image"])
    mask = inputs["mask"][0]
    return resize_logits(logits.float(), mask.shape)[0].argmax(0).cpu(), mask.cpu()
