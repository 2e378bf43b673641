"""The model that is deployed of a configuration."""

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
"""Pixels, in all images, that an untrained model takes its statistics from: 32 of a map at stride
32. From two, maps grow a million-fold, and XNNPACK refuses the int8 scales that come of them."""


def build_pruned(config: TrialConfig, num_classes: int) -> SegmentationModel:
    """Return an untrained float model of the shape that ``config`` is deployed in.

    Channels that pruning takes are gone; single weights are all there. Runs on torch's default
    device, the meta device included.

    Raises:
        ValueError: a dimension is impossible.
        MissingExtraError: channels are to go and Torch-Pruning is not installed.
    """
    model = build_model(config, num_classes)
    if config.pruning == "structured" and config.pruning_ratio is not None:
        prune_channels(model, config.pruning_ratio)
    return model


def prune(model: nn.Module, config: TrialConfig) -> None:
    """Prune ``model`` in place as ``config`` says; for Taylor its gradients must be there.

    Raises:
        ValueError: gradients are missing.
        MissingExtraError: channels are to go and Torch-Pruning is not installed.
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
    """Return what ships of a trained ``model``, on the CPU; ``model`` itself is used up.

    Args:
        model: As it came out of the training, on the CPU, in evaluation mode.
        config: Its configuration.
        calibration: Makes batches of training images, two images or more each; called for
            ``ptq_int8`` only.

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
    """Return an untrained model that costs what the deployed one will, on the CPU.

    Latency and size depend on shapes and types alone, so the weights are random, and int8 ranges
    are those of random images. Models trained with rounding ship as those calibrated after it do.

    Raises:
        ValueError: a dimension is impossible.
        MissingExtraError: a library is not installed.
    """
    size = config.resolution
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        count = max(2, STAND_IN_PIXELS // (size.height * size.width))
        images = torch.rand(count, 3, size.height, size.width)
        model = build_pruned(config, num_classes)
        _normalise(model, images)
        return deploy(model, config, lambda: [images])


def _normalise(model: nn.Module, images: Tensor) -> None:
    """Give every BatchNorm the statistics of ``images``; leave ``model`` in evaluation mode.

    Without, the maps of an untrained deep network shrink to 1e-23, for which no int8 range can be
    found in any time.
    """
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        model.train()(images)
    model.eval()
