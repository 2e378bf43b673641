"""Unstructured pruning: sets single weights to 0."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn.utils import prune

if TYPE_CHECKING:
    from collections.abc import Mapping

_WEIGHT = "weight"


def mask_weights(model: nn.Module, ratio: float) -> None:
    """Set the smallest weights of every layer to 0, and keep them there with masks.

    Training continues with the other weights (``torch.nn.utils.prune``) until ``bake_masks``. The
    ratio applies to each layer, because weights before a BatchNorm are not comparable between
    layers. Dense latency and MACs do not change.

    Args:
        model: Changed in place.
        ratio: Share of a layer's weights, (0, 1); biases and BatchNorm are not pruned.

    Raises:
        ValueError: the ratio is outside (0, 1).

    Source: Han et al. 2015, "Learning both Weights and Connections".
    """
    if not 0 < ratio < 1:
        raise ValueError(f"pruning_ratio must be in (0, 1), got {ratio}")
    for layer in _layers(model):
        # torch's default scores fail on weights in NHWC order.
        scores = layer.weight.detach().contiguous()
        prune.l1_unstructured(  # type: ignore[no-untyped-call]
            layer, _WEIGHT, amount=ratio, importance_scores=scores
        )


def bake_masks(model: nn.Module) -> None:
    """Write the zeros into the weights and remove the masks, in place."""
    for layer in _layers(model):
        if hasattr(layer, f"{_WEIGHT}_mask"):
            prune.remove(layer, _WEIGHT)  # type: ignore[no-untyped-call]


def without_masks(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a model's state as it is after ``bake_masks``."""
    plain = {}
    for name, tensor in state.items():
        stem = name.removesuffix("_orig")
        mask = state.get(f"{stem}_mask")
        if name.removesuffix("_mask") + "_orig" in state:
            continue
        plain[stem if mask is not None else name] = tensor if mask is None else tensor * mask
    return plain


def sparsity(model: nn.Module) -> float:
    """Return the share of zeros among the weights of convolutions and linear layers, [0, 1]."""
    weights = [layer.weight for layer in _layers(model)]
    total = sum(weight.numel() for weight in weights)
    zeros = sum(int((weight == 0).sum()) for weight in weights)
    return zeros / total if total else 0.0


def _layers(model: nn.Module) -> list[nn.Conv2d | nn.ConvTranspose2d | nn.Linear]:
    kinds = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
    return [module for module in model.modules() if isinstance(module, kinds)]
