"""Quantization to float16 and int8, after and during training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, cast

import torch
from torch import Tensor, nn

from trainables.compression.folding import fold_batch_norm
from trainables.io.extras import need

if TYPE_CHECKING:
    from collections.abc import Iterable

LARGEST_BATCH = 4096
"""Largest batch of a program, images; any smaller batch is possible."""

_PURPOSE = "int8 quantization"


class FrozenProgram(nn.Module):
    """A program for inference, without a training mode.

    Attributes:
        program: The module that runs and is exported.
    """

    def __init__(self, program: nn.Module) -> None:
        super().__init__()
        self.program = program
        for module in self.modules():
            module.training = False

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of ``images`` in the types of the program, regardless of autocast."""
        with torch.autocast(images.device.type, enabled=False):
            return cast("Tensor", self.program(images))

    def train(self, mode: bool = True) -> Self:  # noqa: ARG002, FBT001, FBT002 - torch's signature
        """Do nothing: there is no training mode."""
        return self


class HalfPrecision(nn.Module):
    """A float16 model that takes and returns float32."""

    def __init__(self, model: nn.Module) -> None:
        """Convert ``model`` itself."""
        super().__init__()
        self.model = model.half().eval()

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (float32) of ``images`` (float32)."""
        return cast("Tensor", self.model(images.half()).float())


class QuantizationAwareModel(nn.Module):
    """A model whose training simulates the rounding of weights and activations to int8.

    BatchNorm is folded first, so its statistics are frozen and training changes the weights of the
    int8 kernels directly. In evaluation mode dropout and observers are disabled, so the output
    depends on the input alone.
    """

    def __init__(self, model: nn.Module, example: Tensor) -> None:
        """Copy the weights of ``model``.

        Args:
            model: The float model.
            example: Two or more images of the training size, N x 3 x H x W, on its device.

        Raises:
            MissingExtraError: torchao or executorch is not installed.
        """
        super().__init__()
        pt2e = need("torchao.quantization.pt2e", _PURPOSE)
        quantize = need("torchao.quantization.pt2e.quantize_pt2e", _PURPOSE)
        folded = fold_batch_norm(model, example).train()
        self.graph: nn.Module = quantize.prepare_qat_pt2e(
            export_graph(folded, example), _quantizer(qat=True)
        )
        self._pt2e: Any = pt2e
        with torch.no_grad():  # per-channel observers get their shape from the first input
            self.train()(example)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of ``images`` as int8 kernels compute them, up to rounding."""
        with torch.autocast(images.device.type, enabled=False):
            return cast("Tensor", self.graph(images))

    def train(self, mode: bool = True) -> Self:  # noqa: FBT001, FBT002 - torch's signature
        """Enable or disable dropout and observers."""
        self.training = mode
        if mode:
            self._pt2e.move_exported_model_to_train(self.graph)
            self.graph.apply(self._pt2e.enable_observer)
        else:
            self._pt2e.move_exported_model_to_eval(self.graph)
            self.graph.apply(self._pt2e.disable_observer)
        return self

    def converted(self) -> FrozenProgram:
        """Return the int8 program; this model is no longer valid."""
        return _convert(self.eval().graph)


def quantize_int8(model: nn.Module, images: Iterable[Tensor]) -> FrozenProgram:
    """Return the int8 program of a trained ``model``, calibrated on ``images``.

    Weights are symmetric int8 with one scale per output channel. Activations are int8 with one
    scale and zero point per tensor, from their range in the calibration.

    Args:
        model: The float model on the CPU; it is not changed.
        images: Batches of training images N x 3 x H x W, at least one; the first with N >= 2.

    Raises:
        ValueError: there are no images.
        MissingExtraError: torchao or executorch is not installed.

    Source: torchao's PT2E with executorch's XNNPACK quantizer.
    """
    batches = list(images)
    if not batches:
        raise ValueError("calibration needs at least one batch of training images, got none")
    quantize = need("torchao.quantization.pt2e.quantize_pt2e", _PURPOSE)
    graph = export_graph(fold_batch_norm(model, batches[0]), batches[0])
    prepared = quantize.prepare_pt2e(graph, _quantizer(qat=False))
    with torch.no_grad():
        for batch in batches:
            prepared(batch)
    return _convert(prepared)


def export_graph(model: nn.Module, example: Tensor) -> nn.Module:
    """Return ``model`` as a graph for 1 to 4096 images of the size of ``example``.

    Args:
        model: In the mode (training or evaluation) of the graph.
        example: Two or more images N x 3 x H x W on the model's device.
    """
    batch = torch.export.Dim("batch", min=1, max=LARGEST_BATCH)
    exported = torch.export.export(model, (example,), dynamic_shapes=({0: batch},), strict=False)
    return cast("nn.Module", exported.module())


def _quantizer(*, qat: bool) -> Any:  # noqa: ANN401
    xnnpack = need("executorch.backends.xnnpack.quantizer.xnnpack_quantizer", _PURPOSE)
    settings = xnnpack.get_symmetric_quantization_config(is_per_channel=True, is_qat=qat)
    return xnnpack.XNNPACKQuantizer().set_global(settings)


def _convert(prepared: nn.Module) -> FrozenProgram:
    quantize = need("torchao.quantization.pt2e.quantize_pt2e", _PURPOSE)
    program = quantize.convert_pt2e(prepared)
    _drop_float_weights(program)
    return FrozenProgram(program)


def _drop_float_weights(program: Any) -> None:  # noqa: ANN401
    """Remove the float weights that int8 weights replaced; they would be stored too."""
    used = {node.target for node in program.graph.nodes if node.op == "get_attr"}
    for name, _ in list(program.named_parameters()):
        if name not in used:
            owner, _, attribute = name.rpartition(".")
            delattr(program.get_submodule(owner), attribute)
