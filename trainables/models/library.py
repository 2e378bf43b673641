"""Encoder-decoders of segmentation_models.pytorch, an optional library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn

from trainables.io.extras import MissingExtraError
from trainables.models.weights import TORCHVISION, backbone_weights, load_state

if TYPE_CHECKING:
    from search_spaces.config import TrialConfig
    from trainables.models.weights import Weights

ENCODERS = {
    "mobilenet_v3_large": "tu-mobilenetv3_large_100",
    "mobilenet_v3_small": "tu-mobilenetv3_small_100",
    "vgg16": "vgg16_bn",
}
"""The library's names of backbones, where they differ from torchvision's."""
STANDARD_MOMENTUM = 0.1


class LibraryHead(nn.Module):
    """A decoder of the library with its classifier, without the last upsampling."""

    def __init__(self, decoder: nn.Module, classifier: nn.Module, dropout: float) -> None:
        super().__init__()
        self.decoder = decoder
        self.dropout = nn.Dropout(dropout)
        self.classifier = classifier

    def forward(self, *features: torch.Tensor) -> torch.Tensor:
        """Return logits (N x C x h x w) of the encoder's maps, earliest first."""
        return cast("torch.Tensor", self.classifier(self.dropout(self.decoder([*features]))))


def library_parts(
    config: TrialConfig, num_classes: int, weights: Weights = None
) -> tuple[nn.Module, nn.Module]:
    """Return the encoder and the head of a configuration whose ``arch`` is ``smp/...``.

    The encoder ends at stride 32. Nothing is downloaded.

    Args:
        config: The configuration.
        num_classes: Channels of the logits, >= 1.
        weights: File (or folder of files) with the encoder's state; None: random weights.

    Raises:
        MissingExtraError: the library is not installed.
        ValueError: it lacks the architecture or encoder, cannot combine them, or the weights do
            not fit.
    """
    # Some encoders compute while they are built, which the meta device cannot.
    device = torch.get_default_device()
    with torch.device("cpu"):
        model = _create(config, num_classes)
    if weights is not None:
        _load_encoder(model.encoder, config.backbone, weights)
    _set_standard_momentum(model)
    classifier = cast("nn.Sequential", model.segmentation_head)[0]
    head = LibraryHead(model.decoder, classifier, config.dropout)
    return model.encoder.to(device), head.to(device)


def _create(config: TrialConfig, num_classes: int) -> Any:  # noqa: ANN401 - the library has no types
    try:
        import segmentation_models_pytorch as smp  # noqa: PLC0415 - seconds, and optional
    except ImportError as error:
        raise MissingExtraError(
            f"arch {config.arch} needs segmentation_models.pytorch; install segsweep's extra "
            "'architectures', or take an arch without smp/"
        ) from error
    kind = getattr(smp, config.arch.removeprefix("smp/"))
    try:
        return kind(_encoder_name(config.backbone), encoder_weights=None, classes=num_classes)
    except (KeyError, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ValueError(
            f"segmentation_models.pytorch cannot build {config.arch} on {config.backbone}: {reason}"
        ) from error


def _encoder_name(backbone: str) -> str:
    if backbone.startswith("timm/"):
        return f"tu-{backbone.removeprefix('timm/')}"
    return ENCODERS.get(backbone, backbone.removeprefix("smp/"))


def _load_encoder(encoder: nn.Module, backbone: str, weights: Weights) -> None:
    if weights == TORCHVISION:
        raise ValueError(
            f"weights: {TORCHVISION} does not fit the encoders of smp/...; give a file with the "
            f"state of {backbone}'s encoder, or none"
        )
    state = backbone_weights(backbone, cast("str", weights))
    load_state(encoder, state, f"{weights} does not fit the encoder {backbone}")


def _set_standard_momentum(model: nn.Module) -> None:
    """Replace the momentum of timm's MobileNets, whose statistics lag behind in short runs."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = STANDARD_MOMENTUM
