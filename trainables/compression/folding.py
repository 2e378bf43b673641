"""Folds BatchNorm into the preceding convolutions."""

from __future__ import annotations

import copy
from typing import TypeVar, cast

import torch
from torch import Tensor, nn

from trainables.models.norm import SingleValueBatchNorm2d

M = TypeVar("M", bound=nn.Module)

_PLAIN = (nn.BatchNorm2d, SingleValueBatchNorm2d)
_TOLERANCE = 1e-3
"""Largest difference of outputs, relative to the largest output, that rounding explains."""


def fold_batch_norm(model: M, example: Tensor) -> M:
    """Return a copy of ``model`` whose BatchNorms are folded into the convolutions before them.

    The copy computes the same as ``model`` in evaluation mode, with frozen statistics. If the
    outputs differ (because a BatchNorm does not normalize the convolution that its parent lists
    before it), a plain copy is returned. Both are in evaluation mode.

    Args:
        model: Any model.
        example: Images N x 3 x H x W on the model's device, to compare the outputs. GPUs do that
            without TF32, whose errors are above the tolerance.

    Source: Jacob et al. 2018, "Quantization and Training of Neural Networks", section 3.2.
    """
    plain = copy.deepcopy(model).eval()
    folded = copy.deepcopy(plain)
    _fold(folded)
    with torch.no_grad(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        before, after = plain(example), folded(example)
    scale = before.abs().max().clamp(min=1e-6)
    return folded if bool((before - after).abs().max() <= _TOLERANCE * scale) else plain


def _fold(parent: nn.Module) -> None:
    before: tuple[str, nn.Module] | None = None
    for name, child in list(parent.named_children()):
        # Exactly these types: a subclass may do more than normalize.
        conv = before[1] if before is not None else None
        if type(child) in _PLAIN and isinstance(conv, nn.Conv2d | nn.ConvTranspose2d):
            _fold_into(conv, cast("nn.BatchNorm2d", child))
            setattr(parent, name, nn.Identity())
        else:
            _fold(child)
        before = (name, child)


def _fold_into(conv: nn.Conv2d | nn.ConvTranspose2d, norm: nn.BatchNorm2d) -> None:
    """Scale and shift the outputs of ``conv`` like ``norm``."""
    if norm.running_mean is None or norm.running_var is None:
        return
    scale = (norm.running_var + norm.eps).rsqrt()
    if norm.affine:
        scale = scale * norm.weight
    shift = (
        -norm.running_mean * scale if conv.bias is None else (conv.bias - norm.running_mean) * scale
    )
    if norm.affine:
        shift = shift + norm.bias
    if isinstance(conv, nn.ConvTranspose2d):
        # Weights have the shape inputs x (outputs / groups), so scales are split by group too.
        inputs = len(conv.weight) // conv.groups
        weight = conv.weight.reshape(conv.groups, inputs, *conv.weight.shape[1:])
        weight = (weight * scale.reshape(conv.groups, 1, -1, 1, 1)).flatten(0, 1)
    else:
        weight = conv.weight * scale.reshape(-1, 1, 1, 1)
    conv.weight = nn.Parameter(weight.detach())
    conv.bias = nn.Parameter(shift.detach())
