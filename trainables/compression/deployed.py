"""The deployed model of a configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from trainables.compression.quantization import (
    FrozenProgram,
    HalfPrecision,
    QuantizationAwareModel,
    quantize_int8,
)
from trainables.compression.structured import prune_channels
from trainables.compression.unstructured import bake_masks, mask_weights
from trainables.models.build import build_model
from trainables.models.shape import INT8

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torch import Tensor

    from search_spaces.config import TrialConfig
    from trainables.models.build import SegmentationModel

STAND_IN_PIXELS = 32 * 32 * 32
"""Pixels, in all images, that set the statistics of an untrained model: 32 of a map at stride 32.
With two, activations grow a million-fold, and XNNPACK rejects the int8 scales."""


def build_pruned(config: TrialConfig, num_classes: int) -> SegmentationModel:
    """Return an untrained float model with the shapes of the deployed model of ``config``.

    Structured pruning is applied, unstructured pruning is not. Works on torch's default device,
    including the meta device.

    Raises:
        ValueError: a dimension is not valid.
        MissingExtraError: pruning is structured and Torch-Pruning is not installed.
    """
    model = build_model(config, num_classes)
    if config.pruning == "structured" and config.pruning_ratio is not None:
        prune_channels(model, config.pruning_ratio)
    return model


def prune(model: nn.Module, config: TrialConfig) -> None:
    """Prune ``model`` in place according to ``config``; Taylor importance needs its gradients.

    Raises:
        ValueError: gradients are missing.
        MissingExtraError: pruning is structured and Torch-Pruning is not installed.
    """
    if config.pruning_ratio is None:
        return
    if config.pruning == "structured":
        prune_channels(model, config.pruning_ratio, config.pruning_importance)
    elif config.pruning == "unstructured":
        mask_weights(model, config.pruning_ratio)


def deploy(
    model: nn.Module, config: TrialConfig, calibration: Callable[[], Iterable[Tensor]]
) -> nn.Module:
    """Return the deployed form of a trained ``model``, on the CPU; ``model`` is no longer valid.

    Args:
        model: The trained model, on the CPU, in evaluation mode.
        config: Its configuration.
        calibration: Returns batches of at least two training images; called for ``ptq_int8`` only.

    Raises:
        MissingExtraError: a library is not installed.
    """
    bake_masks(model)
    if isinstance(model, QuantizationAwareModel):
        return model.converted()
    if config.quantization in INT8:
        return quantize_int8(model, calibration())
    if config.quantization == "fp16":
        return FrozenProgram(HalfPrecision(model))
    return model


def stand_in(config: TrialConfig, num_classes: int) -> nn.Module:
    """Return an untrained model of the same cost as the deployed model, on the CPU.

    Latency and size depend on shapes and types alone, so the weights are random and int8 ranges
    come from random images. ``qat_int8`` and ``ptq_int8`` give models of equal cost.

    Raises:
        ValueError: a dimension is not valid.
        MissingExtraError: a library is not installed.
    """
    size = config.resolution
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        count = max(2, STAND_IN_PIXELS // (size.height * size.width))
        images = torch.rand(count, 3, size.height, size.width)
        model = build_pruned(config, num_classes)
        _set_batch_norm_statistics(model, images)
        return deploy(model, config, lambda: [images])


def _set_batch_norm_statistics(model: nn.Module, images: Tensor) -> None:
    """Set every BatchNorm to the statistics of ``images``; leaves ``model`` in evaluation mode.

    Otherwise the activations of a deep untrained network shrink to 1e-23, and the search for their
    int8 range does not end.
    """
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        model.train()(images)
    model.eval()
