"""Exported programs (``.pt2``)."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, cast

import torch

from trainables.compression.quantization import LARGEST_BATCH, FrozenProgram
from trainables.formats.plain import forget_origins, in_plain_operators
from trainables.io.atomic import file_digest, write_atomically
from trainables.io.extras import need

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn
    from torch.export import ExportedProgram

    from search_spaces.resolution import Resolution

PROGRAM = "deployed.pt2"
"""File of a quantized trial's deployed program, in the trial's folder."""
PROGRAM_DIGEST = "deployed.sha256"
"""File of its SHA-256."""
INT8_OPERATORS = b"quantized_decomposed"
"""Name of torchao's operators in a ``.pt2`` file."""


def export_program(
    model: nn.Module, resolution: Resolution, *, batch: int | None = None, plain: bool = False
) -> ExportedProgram:
    """Return the exported program of a deployed ``model`` on the CPU.

    Args:
        model: As ``trainables.compression.deployed.deploy`` returns it.
        resolution: Height and width of the images.
        batch: Number of images, >= 1; None: any number from 1 to 4096.
        plain: Use torch's own operators, so that the program runs without torchao; lowering to
            ExecuTorch needs torchao's operators.
    """
    body = model.program if isinstance(model, FrozenProgram) else model.eval()
    # XNNPACK's lowering fails on weights in NHWC order, in which they are trained.
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
        path: The file, which is replaced atomically.
        plain: As in ``export_program``.
    """
    buffer = io.BytesIO()
    torch.export.save(export_program(model, resolution, plain=plain), buffer)
    write_atomically(path, buffer.getvalue())
    return file_digest(path)


def load_program(path: Path) -> FrozenProgram:
    """Return the program of a ``.pt2`` file, which maps images N x 3 x H x W to logits.

    Raises:
        MissingExtraError: the program uses torchao's operators and torchao is not installed.
    """
    if INT8_OPERATORS in path.read_bytes():
        need("torchao.quantization.pt2e.quantize_pt2e", "an int8 program")
    exported = torch.export.load(path)
    return FrozenProgram(cast("nn.Module", exported.module()))
