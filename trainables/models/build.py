"""Builds the segmentation model of a configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from torch import Tensor, nn
from torch.nn import functional

from search_spaces.config import pair_message
from search_spaces.vocabulary import ARCHS, BUILTIN_ARCHS, FIXED_STRIDE
from trainables.models.backbones import FeatureExtractor, build_backbone
from trainables.models.deconvnet import LightDeconvHead, VggDeconvHead, VggEncoder
from trainables.models.heads import DeepLabV3Head, DeepLabV3PlusHead, LiteHead
from trainables.models.library import library_parts
from trainables.models.weights import given_weights

if TYPE_CHECKING:
    from search_spaces.config import TrialConfig
    from trainables.models.weights import Weights


class SegmentationModel(nn.Module):
    """A backbone with a head; returns class logits at the size of the images."""

    def __init__(self, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N x C x H x W) of ``images`` (N x 3 x H x W), any H and W."""
        return functional.interpolate(
            self.coarse_logits(images), size=images.shape[-2:], mode="bilinear", align_corners=False
        )

    def coarse_logits(self, images: Tensor) -> Tensor:
        """Return logits (N x C x h x w) at the resolution of the head."""
        return cast("Tensor", self.head(*self.backbone(images)))


def build_model(
    config: TrialConfig, num_classes: int, *, weights: Weights = None
) -> SegmentationModel:
    """Return the dense float model of ``config`` in training mode, on torch's default device.

    Only the architecture's dimensions are used; the trial prunes and quantizes later.

    Args:
        config: The configuration.
        num_classes: Channels of the logits, >= 1.
        weights: Source of the backbone's ImageNet weights: a file, a folder of files,
            ``torchvision``, or None (``none``) for random weights.

    Raises:
        ValueError: a dimension is not valid, or the weights do not fit.
        WeightsError: the weights are not available.
        MissingExtraError: the architecture's library is not installed.
    """
    if not num_classes >= 1:
        raise ValueError(f"num_classes must be at least 1, got {num_classes}")
    if config.arch not in ARCHS:
        raise ValueError(f"arch {config.arch!r} is unknown; there are {', '.join(ARCHS)}")
    message = pair_message(config.arch, config.backbone)
    if message:
        raise ValueError(message)
    weights = given_weights(weights)
    if config.arch not in BUILTIN_ARCHS:
        return SegmentationModel(*library_parts(config, num_classes, weights))
    encoder = build_encoder(config, weights)
    return SegmentationModel(encoder, build_head(config, encoder, num_classes))


def build_encoder(config: TrialConfig, weights: Weights = None) -> VggEncoder | FeatureExtractor:
    """Return the backbone of a configuration of our own architectures.

    Args:
        config: A valid combination, as ``build_model`` checks.
        weights: As for ``build_model``.
    """
    if config.backbone == "vgg16":
        return VggEncoder(weights)
    return build_backbone(
        config.backbone,
        output_stride=config.output_stride or FIXED_STRIDE,
        last_expansion=config.last_expansion,
        width=config.width,
        weights=weights,
    )


def build_head(
    config: TrialConfig, encoder: VggEncoder | FeatureExtractor, num_classes: int
) -> nn.Module:
    """Return the head of our own architectures for the maps of ``encoder``."""
    if isinstance(encoder, VggEncoder):
        return VggDeconvHead(num_classes=num_classes, dropout=config.dropout)
    low, high = encoder.low_channels, encoder.high_channels
    if config.arch == "deconvnet":
        return LightDeconvHead(high_channels=high, num_classes=num_classes, dropout=config.dropout)
    if config.arch == "lraspp":
        return LiteHead(
            low_channels=low, high_channels=high, num_classes=num_classes, dropout=config.dropout
        )
    if config.arch == "deeplabv3":
        return DeepLabV3Head(
            high_channels=high,
            num_classes=num_classes,
            output_stride=encoder.output_stride,
            dropout=config.dropout,
        )
    return DeepLabV3PlusHead(
        low_channels=low,
        high_channels=high,
        num_classes=num_classes,
        output_stride=encoder.output_stride,
        decoder_convs=config.decoder_convs or 1,
        dropout=config.dropout,
    )
