"""Segmentation heads: class logits from the feature maps of a backbone."""

from __future__ import annotations

from collections import OrderedDict
from typing import cast

import torch
from torch import nn
from torch.nn import functional
from torchvision.models.segmentation.deeplabv3 import ASPP, DeepLabHead
from torchvision.models.segmentation.lraspp import LRASPPHead

from trainables.models.norm import SingleValueBatchNorm2d

ASPP_CHANNELS = 256
LOW_LEVEL_CHANNELS = 48
LRASPP_CHANNELS = 128


def atrous_rates(output_stride: int) -> tuple[int, int, int]:
    """Return the dilations of ASPP's three 3x3 branches: 12/24/36 at stride 8, else 6/12/18.

    Source: Chen et al. 2018, "Encoder-Decoder with Atrous Separable Convolution", section 3.1;
    Chouti 2024 keeps 6/12/18 at an output stride of 32.
    """
    return (12, 24, 36) if output_stride == 8 else (6, 12, 18)


def _prepare(aspp: ASPP, dropout: float) -> ASPP:
    """Set the dropout of ``aspp``, and make its image pooling accept single images in training."""
    pooling = cast("nn.Sequential", aspp.convs[-1])
    pooling[2] = SingleValueBatchNorm2d(ASPP_CHANNELS)
    cast("nn.Dropout", cast("nn.Sequential", aspp.project)[-1]).p = dropout
    return aspp


class DeepLabV3Head(nn.Module):
    """DeepLabv3: ASPP, one 3x3 convolution, a 1x1 classifier, all at the output stride.

    Source: Chen et al. 2017, "Rethinking Atrous Convolution", as torchvision builds it.
    """

    def __init__(
        self, *, high_channels: int, num_classes: int, output_stride: int, dropout: float
    ) -> None:
        super().__init__()
        self.layers = DeepLabHead(high_channels, num_classes, atrous_rates(output_stride))
        _prepare(cast("ASPP", self.layers[0]), dropout)

    def forward(self, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        """Return logits (N x C x h x w) at the size of ``high``; ``low`` is not used."""
        return cast("torch.Tensor", self.layers(high))


class DeepLabV3PlusHead(nn.Module):
    """DeepLabv3+: ASPP, upsampled to the low-level map and refined together with it.

    Source: Chen et al. 2018, "Encoder-Decoder with Atrous Separable Convolution"; the papers
    differ in the number of 3x3 convolutions (Chouti 2024: 1, Kim et al. 2025: 2).
    """

    def __init__(
        self,
        *,
        low_channels: int,
        high_channels: int,
        num_classes: int,
        output_stride: int,
        decoder_convs: int,
        dropout: float,
    ) -> None:
        super().__init__()
        if not decoder_convs >= 1:
            raise ValueError(f"decoder_convs must be at least 1, got {decoder_convs}")
        self.aspp = _prepare(ASPP(high_channels, atrous_rates(output_stride)), dropout)
        self.reduce = _convolution(low_channels, LOW_LEVEL_CHANNELS, kernel=1)
        widths = [ASPP_CHANNELS + LOW_LEVEL_CHANNELS, *([ASPP_CHANNELS] * decoder_convs)]
        self.refine = nn.Sequential(
            *(_convolution(width, ASPP_CHANNELS, kernel=3) for width in widths[:-1])
        )
        self.classifier = nn.Conv2d(ASPP_CHANNELS, num_classes, 1)

    def forward(self, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
        """Return logits (N x C x h x w) at the size of ``low``."""
        context = functional.interpolate(
            self.aspp(high), size=low.shape[-2:], mode="bilinear", align_corners=False
        )
        joined = torch.cat((self.reduce(low), context), dim=1)
        return cast("torch.Tensor", self.classifier(self.refine(joined)))


class LiteHead(nn.Module):
    """LR-ASPP: a gated 1x1 convolution; adds the logits of both maps at the size of the low one.

    Source: Howard et al. 2019, "Searching for MobileNetV3", section 6.4, as torchvision builds it,
    with dropout added before the classifier of the high-level map.
    """

    def __init__(
        self, *, low_channels: int, high_channels: int, num_classes: int, dropout: float
    ) -> None:
        super().__init__()
        self.layers = LRASPPHead(low_channels, high_channels, num_classes, LRASPP_CHANNELS)
        self.layers.high_classifier = nn.Sequential(
            nn.Dropout(dropout), self.layers.high_classifier
        )

    def forward(self, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
        """Return logits (N x C x h x w) at the size of ``low``."""
        return cast("torch.Tensor", self.layers({"low": low, "high": high}))


def _convolution(in_channels: int, out_channels: int, *, kernel: int) -> nn.Sequential:
    conv = nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(OrderedDict(conv=conv, norm=nn.BatchNorm2d(out_channels), act=nn.ReLU()))
