"""Replaces the late strides of a network by dilation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from collections.abc import Iterable


def limit_stride(blocks: Iterable[nn.Module], *, stride: int, output_stride: int) -> None:
    """Change ``blocks`` in place so that the product of all strides stays at ``output_stride``.

    Every stride beyond the limit becomes 1, and the convolutions after it are dilated by the
    removed factor. The dense map then has the values of the strided network at the positions that
    the stride would keep; exactly, unless a layer such as squeeze-and-excite uses the whole map.
    Works for all blocks whose strides are in convolutions, also for ResNet's basic block, which
    accepts no dilation in torchvision.

    Args:
        blocks: Sequential blocks, each with at most one stride on every path.
        stride: Product of the strides before the first block.
        output_stride: Limit, a power of two not below ``stride``.

    Source: Chen et al. 2017, "Rethinking Atrous Convolution", section 3.1.
    """
    dilation = 1
    for block in blocks:
        factor = max((conv.stride[0] for conv in _convolutions(block)), default=1)
        if stride * factor <= output_stride:
            stride *= factor
            factor = 1
        before, dilation = dilation, dilation * factor
        if dilation > 1:
            _dilate(block, before=before, after=dilation)


def _convolutions(block: nn.Module) -> list[nn.Conv2d]:
    return [module for module in block.modules() if isinstance(module, nn.Conv2d)]


def _dilate(block: nn.Module, *, before: int, after: int) -> None:
    """Dilate convolutions up to the removed stride by ``before``, later ones by ``after``."""
    convolutions = _convolutions(block)
    passed = before == after
    for conv in convolutions:
        spatial = max(conv.kernel_size) > 1
        if spatial:
            _set_dilation(conv, after if passed else before)
        if conv.stride[0] > 1:
            conv.stride = (1, 1)
            passed = passed or spatial


def _set_dilation(conv: nn.Conv2d, dilation: int) -> None:
    height, width = conv.kernel_size
    conv.dilation = (dilation, dilation)
    conv.padding = (dilation * (height - 1) // 2, dilation * (width - 1) // 2)
