"""Multiply-accumulates of a model, counted without computing."""

from __future__ import annotations

import copy
from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from search_spaces.vocabulary import BUILTIN_ARCHS
from trainables.cost.architectures import dense_costs, pruned_costs
from trainables.cost.skeleton import no_values, strip
from trainables.models.build import build_model
from trainables.models.shape import dense_architecture

if TYPE_CHECKING:
    from collections.abc import Callable

    from search_spaces.config import TrialConfig
    from search_spaces.resolution import Resolution

BITS = {"none": 32, "fp16": 16, "dynamic_int8": 8, "ptq_int8": 8, "qat_int8": 8}
"""Bits of weights and activations by ``quantization``."""


def count_macs(model: nn.Module, resolution: Resolution) -> int:
    """Return the MACs of one forward pass of ``model`` over one image; ``model`` is not changed.

    Convolutions, transposed convolutions, linear layers and matrix products count. MACs are half of
    what PyTorch calls flops. Normalisation, activations, pooling and interpolation do not count;
    counters that include them report 1 % more.

    Args:
        model: Takes N x 3 x H x W images; on any device.
        resolution: Height and width of the image.

    Source: ``torch.utils.flop_counter.FlopCounterMode`` on the meta device.
    """
    copied = _on_meta(model).eval()
    strip(copied)
    return _count(copied, resolution)


def count_params(model: nn.Module) -> int:
    """Return the number of trainable values of ``model``."""
    return sum(parameter.numel() for parameter in model.parameters())


def static_costs(config: TrialConfig, num_classes: int) -> dict[str, int]:
    """Return ``params``, ``macs``, ``flops`` and ``bops`` of one image, before any training.

    Pruned channels do not count. Single pruned weights do, as dense kernels multiply by zeros too.
    A MAC is two flops. A MAC's BOPs are the product of the bits of its two factors: 32 x 32 in
    float, 16 x 16 in half precision, 8 x 8 in int8.

    Raises:
        ValueError: the configuration cannot be built.
        MissingExtraError: channels are pruned and Torch-Pruning is not installed.

    Source: van Baalen et al. 2020, "Bayesian Bits", section 2.3, for BOPs.
    """
    params, macs = _params_and_macs(config, num_classes)
    bits = BITS[config.quantization]
    return {"params": params, "macs": macs, "flops": 2 * macs, "bops": macs * bits * bits}


def _params_and_macs(config: TrialConfig, num_classes: int) -> tuple[int, int]:
    architecture, ratio = dense_architecture(config), config.pruning_ratio
    if config.arch not in BUILTIN_ARCHS:
        return _library_costs(architecture, config.resolution, num_classes)
    if config.pruning == "structured" and ratio is not None:
        return pruned_costs(architecture, config.resolution, num_classes, ratio=ratio)
    return dense_costs(architecture, config.resolution, num_classes)


@lru_cache(maxsize=4096)
def _library_costs(
    architecture: TrialConfig, resolution: Resolution, num_classes: int
) -> tuple[int, int]:
    """Return parameters and MACs of a library's model, whose layers are not tabulated."""
    with no_values():
        model = build_model(architecture, num_classes).eval()
    params = count_params(model)
    strip(model)
    return params, _count(model.coarse_logits, resolution)


def _count(model: Callable[[torch.Tensor], torch.Tensor], resolution: Resolution) -> int:
    image = torch.empty(1, 3, resolution.height, resolution.width, device="meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(image)
    return int(counter.get_total_flops()) // 2


def _on_meta(model: nn.Module) -> nn.Module:
    """Return a copy of ``model`` on the meta device."""
    tensors: dict[int, object] = {
        id(buffer): buffer.detach().to("meta") for buffer in model.buffers()
    }
    for parameter in model.parameters():
        tensors[id(parameter)] = nn.Parameter(
            parameter.detach().to("meta"), requires_grad=parameter.requires_grad
        )
    return copy.deepcopy(model, memo=tensors)
