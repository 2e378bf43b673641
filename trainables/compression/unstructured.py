"""Removal of single weights, whose tensors keep their shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn.utils import prune

if TYPE_CHECKING:
    from collections.abc import Mapping

_WEIGHT = "weight"


def mask_weights(model: nn.Module, ratio: float) -> None:
    """Set the ``ratio`` of the smallest weights of every layer to 0 and hold them there.

    The layers keep a mask (``torch.nn.utils.prune``), so that training goes on with the rest until
    ``bake_masks``. The ratio is that of each layer, since weights in front of a BatchNorm cannot be
    compared between layers. The dense latency and the MACs stay as they are.

    Args:
        model: Changed in place.
        ratio: Share of a layer's weights, (0, 1); biases and BatchNorm are left alone.

    Raises:
        ValueError: the ratio is outside (0, 1).

    Source: Han et al. 2015, "Learning both Weights and Connections".
    """
    if not 0 < ratio < 1:
        raise ValueError(f"pruning_ratio must be in (0, 1), got {ratio}")
    for layer in _layers(model):
        # In NHWC order, torch's own look at the weights fails.
        scores = layer.weight.detach().contiguous()
        prune.l1_unstructured(  # type: ignore[no-untyped-call]
            layer, _WEIGHT, amount=ratio, importance_scores=scores
        )


def bake_masks(model: nn.Module) -> None:
    """Make the zeros part of the weights and take the masks away, in place."""
    for layer in _layers(model):
        if hasattr(layer, f"{_WEIGHT}_mask"):
            prune.remove(layer, _WEIGHT)  # type: ignore[no-untyped-call]


def without_masks(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a model's state under the names and with the values it has once masks are baked."""
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
