"""Int8 programs in torch's own operators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from torch import Tensor

_SPARE = ("stack_trace", "nn_module_stack", "source_fn_stack", "torch_fn", "from_node")
"""What an exporter notes of a node's origin, absolute paths included; a third of a small file."""


def in_plain_operators(exported: Any) -> Any:  # noqa: ANN401 - torch.export's own types
    """Return the exported program without the operators that only torchao brings.

    It computes the very same, weights stay int8, and it loads where nothing but torch is installed.
    What the exporter noted of the origin of each node is gone; a program without such operators
    loses only that.
    """
    quantized = any(
        "quantized_decomposed" in str(node.target)
        for node in exported.graph.nodes
        if node.op == "call_function"
    )
    if quantized:
        known = torch.ops.quantized_decomposed
        exported = exported.run_decompositions(
            {
                known.quantize_per_tensor.default: _quantize,
                known.dequantize_per_tensor.default: _dequantize,
                known.dequantize_per_channel.default: _dequantize_channels,
            }
        )
    for node in exported.graph.nodes:
        for name in _SPARE:
            node.meta.pop(name, None)
    return exported


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
