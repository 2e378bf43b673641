"""Multiply-accumulates of a model, counted without computing."""

from __future__ import annotations

import copy
from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from trainables.cost.layers import LayerTable, kernel_areas
from trainables.cost.shape import dense_architecture
from trainables.models.build import build_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from search_spaces.config import Resolution, TrialConfig
    from trainables.models.build import SegmentationModel

ELEMENTWISE = (
    nn.BatchNorm2d,
    nn.Dropout,
    nn.GELU,
    nn.Hardsigmoid,
    nn.Hardswish,
    nn.ReLU,
    nn.ReLU6,
    nn.Sigmoid,
    nn.SiLU,
)
"""Layers that no MAC belongs to, whose output has the shape of their input."""
BITS = {"none": 32, "fp16": 16, "dynamic_int8": 8, "ptq_int8": 8, "qat_int8": 8}
"""Bits of weights and activations by ``quantization``."""
FILLING = frozenset(
    {torch.Tensor.fill_, torch.Tensor.normal_, torch.Tensor.uniform_, torch.Tensor.zero_}
)
"""What gives a new weight its values."""


def count_macs(model: nn.Module, resolution: Resolution) -> int:
    """Return the MACs of one forward pass of ``model`` over one image; ``model`` stays untouched.

    Counted are convolutions, transposed ones, linear layers and matrix products, half of what
    PyTorch calls flops. Normalisation, activations, pooling and interpolation are left out
    (counters that include them say 1 % more).

    Args:
        model: Takes N x 3 x H x W images; on any device.
        resolution: Height and width of the image.

    Source: ``torch.utils.flop_counter.FlopCounterMode`` on the meta device.
    """
    return _count(_strip(_on_meta(model).eval()), resolution)


def count_params(model: nn.Module) -> int:
    """Return the number of trainable values of ``model``."""
    return sum(parameter.numel() for parameter in model.parameters())


def static_costs(config: TrialConfig, num_classes: int) -> dict[str, int]:
    """Return ``params``, ``macs``, ``flops`` and ``bops`` of one image, before any training.

    Cached on what they depend on. Channels that pruning takes are not counted, single weights are:
    dense kernels multiply by zeros too. A MAC is two flops. Of BOPs each MAC counts the product of
    the bits of its two factors: 32 x 32 in float, 16 x 16 in half precision, 8 x 8 in int8.

    Raises:
        ValueError: the configuration cannot be built.
        MissingExtraError: channels are to go and Torch-Pruning is not installed.

    Source: van Baalen et al. 2020, "Bayesian Bits", section 2.3, for BOPs.
    """
    architecture, ratio = dense_architecture(config), config.pruning_ratio
    if config.pruning == "structured" and ratio is not None:
        params, macs = _pruned(architecture, ratio, config.resolution, num_classes)
    else:
        params, macs = _dense(architecture, config.resolution, num_classes)
    bits = BITS[config.quantization]
    return {"params": params, "macs": macs, "flops": 2 * macs, "bops": macs * bits * bits}


@lru_cache(maxsize=4096)
def _dense(architecture: TrialConfig, resolution: Resolution, num_classes: int) -> tuple[int, int]:
    params, model = _skeleton(architecture, num_classes)
    return params, _count(model.coarse_logits, resolution)


def _pruned(
    architecture: TrialConfig, ratio: float, resolution: Resolution, num_classes: int
) -> tuple[int, int]:
    """Return parameters and MACs of what ``prune_channels`` leaves, which takes a second itself."""
    table = _table(architecture, num_classes)
    areas = _areas(architecture, resolution, num_classes)
    return table.params(ratio), table.macs(areas, ratio)


@lru_cache(maxsize=256)
def _table(architecture: TrialConfig, num_classes: int) -> LayerTable:
    return LayerTable.of(_empty(architecture, num_classes))


@lru_cache(maxsize=1024)
def _areas(
    architecture: TrialConfig, resolution: Resolution, num_classes: int
) -> NDArray[np.int64]:
    _, model = _skeleton(architecture, num_classes)
    return kernel_areas(model, _table(architecture, num_classes).names, resolution)


@lru_cache(maxsize=256)
def _skeleton(architecture: TrialConfig, num_classes: int) -> tuple[int, SegmentationModel]:
    """Return the number of parameters, with the model stripped to what has MACs."""
    model = _empty(architecture, num_classes)
    params = count_params(model)
    _strip(model)
    return params, model


def _empty(architecture: TrialConfig, num_classes: int) -> SegmentationModel:
    """Return the model without values, in evaluation mode."""
    with torch.device("meta"), _NoInitialValues():
        return build_model(architecture, num_classes).eval()


def _count(model: Callable[[torch.Tensor], torch.Tensor], resolution: Resolution) -> int:
    image = torch.empty(1, 3, resolution.height, resolution.width, device="meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(image)
    return int(counter.get_total_flops()) // 2


def _on_meta(model: nn.Module) -> nn.Module:
    """Return a copy of ``model`` whose tensors have a shape but no values."""
    tensors: dict[int, object] = {
        id(buffer): buffer.detach().to("meta") for buffer in model.buffers()
    }
    for parameter in model.parameters():
        tensors[id(parameter)] = nn.Parameter(
            parameter.detach().to("meta"), requires_grad=parameter.requires_grad
        )
    return copy.deepcopy(model, memo=tensors)


def _strip(model: nn.Module) -> nn.Module:
    """Change ``model`` in place: take out layers that have no MACs and leave the shape as it is.

    On the meta device these run as long Python decompositions, two thirds of the time.
    """
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if isinstance(child, ELEMENTWISE):
                setattr(parent, name, nn.Identity())
    return model


class _NoInitialValues(TorchFunctionMode):
    """Mode in which tensors are not filled: on the meta device that takes time for nothing."""

    def __torch_function__(
        self,
        func: Callable[..., object],
        types: Iterable[type],
        args: tuple[object, ...] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        """Return what ``func`` does, or its first argument as it is."""
        if func in FILLING and args:
            return args[0]
        return func(*args, **(kwargs or {}))
