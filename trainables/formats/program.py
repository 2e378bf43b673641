"""Exported programs on disk."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, cast

import torch

from trainables.compression.extras import need
from trainables.compression.quantization import LARGEST_BATCH, FrozenProgram
from trainables.formats.plain import forget_origins, in_plain_operators
from trainables.io.atomic import file_digest, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn
    from torch.export import ExportedProgram

    from search_spaces.resolution import Resolution

PROGRAM = "deployed.pt2"
"""What ships of a quantized trial, in the trial's folder."""
PROGRAM_DIGEST = "deployed.sha256"
"""Its digest, beside it."""
INT8_OPERATORS = b"quantized_decomposed"
"""Name of the operators that importing torchao registers, as it stands in a ``.pt2`` file."""


def export_program(
    model: nn.Module, resolution: Resolution, *, batch: int | None = None, plain: bool = False
) -> ExportedProgram:
    """Return the exported program of a deployed ``model`` on the CPU.

    Args:
        model: As ``trainables.compression.deployed.deploy`` returns it.
        resolution: Height and width of the images.
        batch: Number of images, >= 1; None leaves it free from 1 to 4096.
        plain: Write it in torch's own operators, for those who only run it; what is to be lowered
            further must keep torchao's.
    """
    body = model.program if isinstance(model, FrozenProgram) else model.eval()
    # Weights in NHWC order, as they are trained, confuse XNNPACK's lowering.
    body = body.to(memory_format=torch.contiguous_format)
    size = (batch or 2, 3, resolution.height, resolution.width)
    free = torch.export.Dim("batch", min=1, max=LARGEST_BATCH)
    shapes = ({0: free},) if batch is None else None
    body = in_plain_operators(body) if plain else body
    with torch.no_grad():
        exported = torch.export.export(
            body, (torch.zeros(size),), dynamic_shapes=shapes, strict=False
        )
    if plain:
        forget_origins(exported)
    return exported


def save_program(
    model: nn.Module, resolution: Resolution, path: Path, *, plain: bool = False
) -> str:
    """Write a deployed ``model`` as a ``.pt2`` file that takes any batch; return its SHA-256.

    Args:
        model: As ``trainables.compression.deployed.deploy`` returns it.
        resolution: Height and width of the images.
        path: File that is written whole or not at all.
        plain: As in ``export_program``.
    """
    buffer = io.BytesIO()
    torch.export.save(export_program(model, resolution, plain=plain), buffer)
    write_atomically(path, buffer.getvalue())
    return file_digest(path)


def load_program(path: Path) -> FrozenProgram:
    """Return the program of a ``.pt2`` file; images N x 3 x H x W in, logits out.

    Raises:
        MissingExtraError: the program has 8-bit integers and torchao is not installed.
    """
    if INT8_OPERATORS in path.read_bytes():
        need("torchao.quantization.pt2e.quantize_pt2e", "an int8 program")
    exported = torch.export.load(path)
    return FrozenProgram(cast("nn.Module", exported.module()))
