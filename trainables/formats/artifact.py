"""Writes deployed models as artifacts."""

from __future__ import annotations

import contextlib
import io
import logging
from typing import TYPE_CHECKING, Any, get_args

import torch

from trainables.compression.folding import fold_batch_norm
from trainables.compression.quantization import LARGEST_BATCH, FrozenProgram
from trainables.config import ArtifactFormat
from trainables.formats.program import export_program, save_program
from trainables.io.atomic import file_digest, write_atomically
from trainables.io.extras import need

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torch import nn

    from search_spaces.resolution import Resolution

FORMATS: tuple[ArtifactFormat, ...] = get_args(ArtifactFormat)
"""torch's exported program, ONNX, ExecuTorch's program for XNNPACK."""
INPUT, OUTPUT = "images", "logits"
"""Names of an ONNX file's tensors."""


def write_artifact(
    model: nn.Module,
    resolution: Resolution,
    path: Path,
    *,
    batch_size: int = 1,
) -> str:
    """Write a deployed ``model`` in the format of ``path``'s suffix; return its SHA-256.

    All formats take normalized float32 images N x 3 x H x W and return float32 logits of the same
    size. A ``.pte`` takes exactly ``batch_size`` images, the others any number.

    Args:
        model: As ``trainables.compression.deployed.deploy`` returns it, on the CPU.
        resolution: Height and width of the images.
        path: The file, which is replaced atomically.
        batch_size: Images of a ``.pte``, >= 1.

    Raises:
        ValueError: the suffix is not that of a format.
        MissingExtraError: the exporter is not installed.
    """
    if path.suffix == ".pt2":
        return save_program(model, resolution, path, plain=True)
    if path.suffix == ".onnx":
        data = _onnx(model, resolution)
    elif path.suffix == ".pte":
        data = _executorch(model, resolution, batch_size)
    else:
        allowed = ", ".join(f".{name}" for name in FORMATS)
        raise ValueError(f"{path.name}: the suffix must be one of {allowed}")
    write_atomically(path, data)
    return file_digest(path)


def _onnx(model: nn.Module, resolution: Resolution) -> bytes:
    """Return the ONNX file; int8 is expressed by QuantizeLinear and DequantizeLinear pairs."""
    for library in ("onnx", "onnxscript"):
        need(library, "an ONNX artifact")
    plain = model.program if isinstance(model, FrozenProgram) else model.eval()
    example = torch.zeros(2, 3, resolution.height, resolution.width)
    batch = torch.export.Dim("batch", min=1, max=LARGEST_BATCH)
    with torch.no_grad(), _quiet():
        program = torch.onnx.export(
            plain,
            (example,),
            dynamo=True,
            dynamic_shapes=({0: batch},),
            input_names=[INPUT],
            output_names=[OUTPUT],
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch.onnx.export returned nothing")
    proto = program.model_proto
    _unshare_constants(proto.graph)
    for part in (*proto.graph.node, *proto.graph.value_info, proto.graph, proto):
        del part.metadata_props[:]  # source locations with absolute paths
    return bytes(proto.SerializeToString())


def _unshare_constants(graph: Any) -> None:  # noqa: ANN401 - onnx has no types
    """Give every DequantizeLinear its own scale and zero point.

    The exporter shares equal ones, which ONNX Runtime cannot shift for ``x64quantprecision``.
    """
    constants = {tensor.name: tensor for tensor in graph.initializer}
    used: set[str] = set()
    for number, node in enumerate(graph.node):
        if node.op_type != "DequantizeLinear":
            continue
        for position, name in enumerate(node.input):
            if name in used:
                graph.initializer.add().CopyFrom(constants[name])
                graph.initializer[-1].name = node.input[position] = f"{name}_{number}_{position}"
            elif name in constants:
                used.add(name)


def _executorch(model: nn.Module, resolution: Resolution, batch_size: int) -> bytes:
    """Return the ExecuTorch program, delegated to XNNPACK.

    BatchNorm is folded first, which halves the time of lowering.
    """
    purpose = "a .pte artifact"
    exir = need("executorch.exir", purpose)
    xnnpack = need("executorch.backends.xnnpack.partition.xnnpack_partitioner", purpose)
    if not isinstance(model, FrozenProgram):
        size = (2, 3, resolution.height, resolution.width)
        example = torch.rand(size, generator=torch.Generator().manual_seed(0))
        model = fold_batch_norm(model, example)
    exported = export_program(model, resolution, batch=batch_size)
    with _quiet():
        edge = exir.to_edge_transform_and_lower(
            exported, partitioner=[xnnpack.XnnpackPartitioner()]
        )
        return bytes(edge.to_executorch().buffer)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the exporters' progress in a trial's output."""
    root = logging.getLogger()
    before = root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)
