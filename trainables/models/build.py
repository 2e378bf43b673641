"""The segmentation model a configuration describes."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from torch import Tensor, nn
from torch.nn import functional

from search_spaces.config import ARCHS
from trainables.models.backbones import FeatureExtractor, build_backbone
from trainables.models.heads import DeepLabV3Head, DeepLabV3PlusHead

if TYPE_CHECKING:
    from pathlib import Path

    from search_spaces.config import TrialConfig


class SegmentationModel(nn.Module):
    """A backbone with a head: images in, class logits at the size of the images out."""

    def __init__(self, backbone: FeatureExtractor, head: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N x C x H x W) of ``images`` (N x 3 x H x W), any H and W."""
        return functional.interpolate(
            self.coarse_logits(images), size=images.shape[-2:], mode="bilinear", align_corners=False
        )

    def coarse_logits(self, images: Tensor) -> Tensor:
        """Return logits (N x C x h x w) at the resolution the head works at."""
        low, high = self.backbone(images)
        return cast("Tensor", self.head(low, high))


def build_model(
    config: TrialConfig, num_classes: int, *, backbone_weights: Path | None = None
) -> SegmentationModel:
    """Return the dense float model of ``config`` in training mode, on torch's default device.

    Only the architecture's dimensions are read; pruning or quantization come later in a trial.

    Args:
        config: The configuration.
        num_classes: Channels of the logits, >= 1.
        backbone_weights: Local file of ImageNet weights; None starts from random weights.

    Raises:
        ValueError: a dimension is impossible, or the weights do not fit.
    """
    if not num_classes >= 1:
        raise ValueError(f"num_classes must be at least 1, got {num_classes}")
    if config.arch not in ARCHS:
        raise ValueError(f"arch {config.arch!r} is unknown; there are {', '.join(ARCHS)}")
    backbone = build_backbone(
        config.backbone,
        output_stride=config.output_stride,
        last_expansion=config.last_expansion,
        weights=backbone_weights,
    )
    return SegmentationModel(backbone, _build_head(config, backbone, num_classes))


def _build_head(config: TrialConfig, backbone: FeatureExtractor, num_classes: int) -> nn.Module:
    if config.arch == "deeplabv3":
        return DeepLabV3Head(
            high_channels=backbone.high_channels,
            num_classes=num_classes,
            output_stride=config.output_stride,
            dropout=config.dropout,
        )
    return DeepLabV3PlusHead(
        low_channels=backbone.low_channels,
        high_channels=backbone.high_channels,
        num_classes=num_classes,
        output_stride=config.output_stride,
        decoder_convs=1 if config.decoder_convs is None else config.decoder_convs,
        dropout=config.dropout,
    )
