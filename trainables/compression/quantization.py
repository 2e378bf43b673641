"""Programs whose weights and activations have fewer bits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, cast

import torch
from torch import Tensor, nn

from trainables.compression.extras import need
from trainables.compression.folding import fold_batch_norm

if TYPE_CHECKING:
    from collections.abc import Iterable

LARGEST_BATCH = 4096
"""Images that a program takes at once; any number from 1 up to this."""

_PURPOSE = "int8 quantization"


class FrozenProgram(nn.Module):
    """A program for inference that has no training mode.

    Attributes:
        program: What is run and exported.
    """

    def __init__(self, program: nn.Module) -> None:
        super().__init__()
        self.program = program
        for module in self.modules():
            module.training = False

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of ``images`` in the types of the program, whatever autocast says."""
        with torch.autocast(images.device.type, enabled=False):
            return cast("Tensor", self.program(images))

    def train(self, mode: bool = True) -> Self:  # noqa: ARG002, FBT001, FBT002 - torch's signature
        """Leave everything as it is."""
        return self


class HalfPrecision(nn.Module):
    """A float16 model that takes and returns float32, as deployed ones do."""

    def __init__(self, model: nn.Module) -> None:
        """Convert ``model`` itself."""
        super().__init__()
        self.model = model.half().eval()

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (float32) of ``images`` (float32)."""
        return cast("Tensor", self.model(images.half()).float())


class QuantizationAwareModel(nn.Module):
    """A model that rounds its weights and activations to int8 while it trains.

    BatchNorm is folded before, so its statistics are frozen and what is trained are the weights
    that int8 kernels will hold. In evaluation mode dropout is off and the observers stand still:
    what it returns depends on its input alone.
    """

    def __init__(self, model: nn.Module, example: Tensor) -> None:
        """Take over the weights of ``model``.

        Args:
            model: The float model.
            example: Two or more images of the size to come, N x 3 x H x W, on its device.

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
        with torch.no_grad():  # gives the observers of single channels their size
            self.train()(example)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of ``images`` as int8 kernels will compute them, up to rounding."""
        with torch.autocast(images.device.type, enabled=False):
            return cast("Tensor", self.graph(images))

    def train(self, mode: bool = True) -> Self:  # noqa: FBT001, FBT002 - torch's signature
        """Switch dropout and observers on or off."""
        self.training = mode
        if mode:
            self._pt2e.move_exported_model_to_train(self.graph)
            self.graph.apply(self._pt2e.enable_observer)
        else:
            self._pt2e.move_exported_model_to_eval(self.graph)
            self.graph.apply(self._pt2e.disable_observer)
        return self

    def converted(self) -> FrozenProgram:
        """Return the int8 program; this model is used up."""
        return _convert(self.eval().graph)


def quantize_int8(model: nn.Module, images: Iterable[Tensor]) -> FrozenProgram:
    """Return the int8 program of a trained ``model``, calibrated on ``images``.

    Weights are symmetric int8 with one scale per output channel, activations int8 with one scale
    and zero point per tensor, set from the range seen in the calibration.

    Args:
        model: The float model on the CPU; it stays as it is.
        images: Batches of training images N x 3 x H x W, at least one; the first has two images or
            more.

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
    """Return ``model`` as one graph that takes 1 to 4096 images of the size of ``example``.

    Args:
        model: In the mode that the graph is to have.
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
    """Take out the float weights that int8 ones replaced, which would be stored beside them."""
    used = {node.target for node in program.graph.nodes if node.op == "get_attr"}
    for name, _ in list(program.named_parameters()):
        if name not in used:
            owner, _, attribute = name.rpartition(".")
            delattr(program.get_submodule(owner), attribute)
