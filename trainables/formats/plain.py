"""Rewrites int8 programs into torch's own operators."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from torch.fx import GraphModule

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.export import ExportedProgram
    from torch.fx import Node

_ORIGIN = ("stack_trace", "nn_module_stack", "source_fn_stack", "torch_fn", "from_node")
"""Metadata about a node's source, with absolute paths; a third of a small file."""


def in_plain_operators(program: nn.Module) -> nn.Module:
    """Return a copy of an int8 program without the operators that torchao registers.

    Its outputs are equal, its weights stay int8, and its export loads where only torch is
    installed. Any other model is returned itself.
    """
    if not isinstance(program, GraphModule) or not any(map(_is_foreign, program.graph.nodes)):
        return program
    plain = copy.deepcopy(program)
    operators = torch.ops.quantized_decomposed
    equivalents = {
        operators.quantize_per_tensor.default: _quantize,
        operators.dequantize_per_tensor.default: _dequantize,
        operators.dequantize_per_channel.default: _dequantize_channels,
    }
    for node in plain.graph.nodes:
        if _is_foreign(node):
            node.target = equivalents.get(node.target, node.target)
    plain.recompile()
    return plain


def forget_origins(exported: ExportedProgram) -> None:
    """Remove the metadata about the source code of each node."""
    for node in exported.graph.nodes:
        for name in _ORIGIN:
            node.meta.pop(name, None)


def _is_foreign(node: Node) -> bool:
    return node.op == "call_function" and "quantized_decomposed" in str(node.target)


def _quantize(  # noqa: PLR0917 - the operator's own signature
    values: Tensor, scale: float, zero: int, low: int, high: int, dtype: torch.dtype
) -> Tensor:
    return torch.clamp(torch.round(values * (1.0 / scale)) + zero, low, high).to(dtype)


def _dequantize(
    values: Tensor,
    scale: float,
    zero: int,
    _low: int,
    _high: int,
    _dtype: torch.dtype,
    *,
    out_dtype: torch.dtype | None = None,
) -> Tensor:
    return (values.to(out_dtype or torch.float32) - zero) * scale


def _dequantize_channels(
    values: Tensor,
    scales: Tensor,
    zeros: Tensor | None,
    axis: int,
    _low: int,
    _high: int,
    _dtype: torch.dtype,
    *,
    out_dtype: torch.dtype | None = None,
) -> Tensor:
    shape = [1] * values.dim()
    shape[axis] = -1
    centred = values.to(torch.float32)
    if zeros is not None:
        centred = centred - zeros.reshape(shape)
    return (centred * scales.reshape(shape)).to(out_dtype or torch.float32)
