"""Pruning and quantization of a model between two epochs of its training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from trainables.compression.deployed import prune
from trainables.compression.quantization import QuantizationAwareModel
from trainables.compression.unstructured import bake_masks, without_masks
from trainables.data.transforms import normalized
from trainables.training.loss import segmentation_loss_sum
from trainables.training.results import spread

if TYPE_CHECKING:
    from torch import Tensor, nn

    from search_spaces.config import TrialConfig
    from trainables.compression.stages import Stage
    from trainables.data.dataset import SegmentationDataset
    from trainables.training.compute import Compute

CALIBRATION_IMAGES = 32
"""Training images for the ranges of activations and for the gradients of Taylor importance."""
_BATCH = 8


def change_model(
    stage: Stage,
    model: nn.Module,
    config: TrialConfig,
    train: SegmentationDataset,
    compute: Compute,
) -> nn.Module:
    """Return ``model`` after ``stage``; it needs a new optimizer.

    Args:
        stage: The change.
        model: The plain module (no DDP wrapper); changed in place, or unusable afterwards.
        config: The trial's configuration.
        train: The training images, of which ``CALIBRATION_IMAGES`` are used.
        compute: The device.

    Raises:
        MissingExtraError: a library is not installed.
    """
    if stage.kind == "prune":
        if config.pruning_importance == "taylor":
            _accumulate_gradients(model, train, compute)
        prune(model, config)
        return model
    bake_masks(model)
    images = calibration_batches(train)[0]
    placed = images.to(compute.device, memory_format=compute.memory_format)
    return QuantizationAwareModel(model, placed)


def calibration_batches(train: SegmentationDataset) -> list[Tensor]:
    """Return up to 32 training images without random transforms, in batches of 2 to 8.

    They are spread over the data set; the image of a data set of one is returned twice.
    """
    indices = spread(len(train), CALIBRATION_IMAGES)
    if len(indices) == 1:
        indices *= 2
    pictures = torch.stack([torch.from_numpy(train.picture(index)) for index in indices])
    images = normalized(pictures).contiguous()
    return [batch for batch in torch.split(images, _BATCH) if len(batch) > 1]


def plain_state(model: nn.Module) -> dict[str, Tensor]:
    """Return the weights of ``model`` with masks applied, as copies on the CPU."""
    state = without_masks(model.state_dict())
    return {name: tensor.detach().cpu().clone() for name, tensor in state.items()}


def _accumulate_gradients(model: nn.Module, train: SegmentationDataset, compute: Compute) -> None:
    """Leave the gradients of the loss over a few training images in the parameters."""
    model.zero_grad(set_to_none=True)
    model.eval()
    for index in spread(len(train), CALIBRATION_IMAGES):
        inputs = compute.inputs(train.batch([index]))
        with compute.autocast():
            logits = model(inputs["image"])
        loss = segmentation_loss_sum(logits.float(), inputs["mask"])
        loss.backward()  # type: ignore[no-untyped-call]
