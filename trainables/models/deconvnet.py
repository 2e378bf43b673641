"""DeconvNet: an encoder mirrored by an upsampling decoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, cast

import torch
from torch import nn
from torch.nn import functional
from torchvision.models import get_model

from trainables.models.norm import SingleValueBatchNorm2d
from trainables.models.weights import load_classifier

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainables.models.weights import Weights

VGG_DECODER = ((512, 512, 512), (512, 512, 256), (256, 256, 128), (128, 64), (64, 64))
"""Channels of the layers after each unpooling, deepest first."""
VGG_WIDE = 4096
LIGHT_WIDE = 1000
LIGHT_STAGES = ((96, 1), (40, 1), (24, 2), (16, 2))
"""Channels and upsampling factor of the light decoder's stages, deepest first; one more stage
computes the classes and upsamples by 4."""
LIGHT_EXPANSION = 3
"""Inner channels over output channels of a light decoder's block."""
STAGE_BLOCKS = 3


class Pooled(NamedTuple):
    """Input of the max-unpooling that reverses a pooling."""

    indices: torch.Tensor
    """Positions of the maxima, N x C x h x w."""
    size: torch.Size
    """Shape of the map before the pooling."""


class VggEncoder(nn.Module):
    """VGG16's convolutions with BatchNorm; also returns the indices of its poolings."""

    def __init__(self, weights: Weights = None) -> None:
        super().__init__()
        classifier = get_model("vgg16_bn", weights=None)
        if weights is not None:
            load_classifier(classifier, "vgg16", weights)
        stages: list[list[nn.Module]] = [[]]
        for layer in classifier.features:
            if isinstance(layer, nn.MaxPool2d):
                stages.append([])
            else:
                stages[-1].append(layer)
        self.stages = nn.ModuleList(nn.Sequential(*stage) for stage in stages if stage)
        self.high_channels = 512

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, tuple[Pooled, ...]]:
        """Return the deepest map (stride 32) and the unpooling input of each pooling."""
        poolings: list[Pooled] = []
        features = images
        for stage in self.stages:
            features = stage(features)
            size = features.shape
            features, indices = functional.max_pool2d(features, (2, 2), return_indices=True)
            poolings.append(Pooled(indices, size))
        return features, tuple(poolings)


class VggDeconvHead(nn.Module):
    """The mirror of VGG16: 7x7 layers of 4096 channels, unpooling with the encoder's indices.

    Source: Noh et al. 2015, "Learning Deconvolution Network for Semantic Segmentation".
    """

    def __init__(self, *, num_classes: int, dropout: float) -> None:
        super().__init__()
        self.bottleneck = Bottleneck(
            Layer(VGG_DECODER[0][0], VGG_WIDE, kernel=7),
            Layer(VGG_WIDE, VGG_WIDE),
            dropout=dropout,
        )
        channels = VGG_DECODER[0][0]
        stages = []
        for widths in VGG_DECODER:
            stages.append(_deconvolutions(channels, widths))
            channels = widths[-1]
        self.stages = nn.ModuleList(stages)
        self.classifier = nn.Conv2d(channels, num_classes, 1)

    def forward(self, high: torch.Tensor, poolings: Sequence[Pooled]) -> torch.Tensor:
        """Return logits (N x C x H x W) at the size of the images."""
        features = self.bottleneck(high)
        for stage, pooled in zip(self.stages, reversed(poolings), strict=True):
            features = stage(
                functional.max_unpool2d(features, pooled.indices, (2, 2), output_size=pooled.size)
            )
        return cast("torch.Tensor", self.classifier(features))


class LightDeconvHead(nn.Module):
    """The small DeconvNet: stages of three inverted residuals with transposed convolutions.

    The paper gives channels and sizes of all stages, but no kernels. Here Conv67 is a 1x1
    convolution before a 3x3 one of dilation 3, with a receptive field of 7x7, and Deconv67 is the
    latter's mirror. Upsampling by s has a kernel of 2s; other depthwise kernels are 3x3.

    Source: Renaud, Nivelet Etcheberry, POSTECH project report.
    """

    def __init__(self, *, high_channels: int, num_classes: int, dropout: float) -> None:
        super().__init__()
        self.bottleneck = Bottleneck(
            Layer(high_channels, high_channels),
            Layer(high_channels, LIGHT_WIDE, kernel=3, dilation=3),
            dropout=dropout,
        )
        channels = high_channels
        stages = []
        for width, scale in (*LIGHT_STAGES, (num_classes, 4)):
            stages.append(_light_stage(channels, width, scale))
            channels = width
        self.stages = nn.Sequential(*stages)

    def forward(self, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        """Return logits (N x C x h x w) at half the size of the images; ``low`` is not used."""
        return cast("torch.Tensor", self.stages(self.bottleneck(high)))


@dataclass(frozen=True, slots=True)
class Layer:
    """A convolution of the bottleneck."""

    inputs: int
    outputs: int
    kernel: int = 1
    dilation: int = 1

    @property
    def field(self) -> int:
        """Receptive field, pixels per side."""
        return self.dilation * (self.kernel - 1) + 1


class Bottleneck(nn.Module):
    """Convolves a map down over a 7x7 field, then transposes that.

    A 7x7 map (images of 224x224) is reduced to a single position in between, as in the papers; a
    smaller map is padded to 7x7 first and cropped afterwards.
    """

    def __init__(self, *layers: Layer, dropout: float) -> None:
        """Reduce by ``layers`` and expand by the mirror of the one with the largest field."""
        super().__init__()
        widest = max(layers, key=lambda layer: layer.field)
        self.field = widest.field
        self.gather = nn.Sequential(*map(_gathering, layers), nn.Dropout(dropout))
        self.spread = nn.Sequential(
            nn.ConvTranspose2d(
                layers[-1].outputs,
                layers[0].inputs,
                widest.kernel,
                dilation=widest.dilation,
                bias=False,
            ),
            nn.BatchNorm2d(layers[0].inputs),
            nn.ReLU(),
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return a map of the same shape as ``features`` (N x C x h x w)."""
        height, width = features.shape[-2:]
        below, right = max(0, self.field - height), max(0, self.field - width)
        padded = functional.pad(features, (0, right, 0, below)) if below or right else features
        spread = self.spread(self.gather(padded))
        return cast("torch.Tensor", spread[..., :height, :width])


def _gathering(layer: Layer) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(layer.inputs, layer.outputs, layer.kernel, dilation=layer.dilation, bias=False),
        SingleValueBatchNorm2d(layer.outputs),
        nn.ReLU(),
    )


def _deconvolutions(channels: int, widths: Sequence[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in widths:
        layers += [
            nn.ConvTranspose2d(channels, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        ]
        channels = width
    return nn.Sequential(*layers)


def _light_stage(channels: int, width: int, scale: int) -> nn.Sequential:
    return nn.Sequential(
        _light_block(channels, width, scale),
        *(LightResidual(_light_block(width, width, 1)) for _ in range(STAGE_BLOCKS - 1)),
    )


class LightResidual(nn.Module):
    """Adds the output of a block to its input."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return a map of the shape of ``features``."""
        return features + cast("torch.Tensor", self.block(features))


def _light_block(channels: int, width: int, scale: int) -> nn.Sequential:
    """Return an inverted residual whose depthwise convolution upsamples by ``scale``."""
    inside = max(channels, LIGHT_EXPANSION * width)
    kernel, padding = (3, 1) if scale == 1 else (2 * scale, scale // 2)
    expand = [nn.Conv2d(channels, inside, 1, bias=False), nn.BatchNorm2d(inside), nn.Hardswish()]
    return nn.Sequential(
        *(expand if inside > channels else []),
        nn.ConvTranspose2d(inside, inside, kernel, scale, padding, groups=inside, bias=False),
        nn.BatchNorm2d(inside),
        nn.Hardswish(),
        nn.Conv2d(inside, width, 1, bias=False),
        nn.BatchNorm2d(width),
    )
