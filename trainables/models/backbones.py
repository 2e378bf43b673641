"""Feature extractors from torchvision's classifiers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from torch import nn
from torchvision.models import MobileNetV2, MobileNetV3, ResNet, get_model

from search_spaces.vocabulary import BACKBONES, MOBILENETS
from trainables.models.dilation import limit_stride
from trainables.models.weights import load_classifier

if TYPE_CHECKING:
    import torch

    from search_spaces.vocabulary import Backbone
    from trainables.models.weights import Weights

DILATED = tuple(name for name in BACKBONES if name != "vgg16")
"""Backbones whose strides are in convolutions, so that they can be replaced by dilation."""

OUTPUT_STRIDES = (8, 16, 32)
LOW_LEVEL_END = {"mobilenet_v2": 4, "mobilenet_v3_large": 7, "mobilenet_v3_small": 4}
"""Number of a MobileNet's leading ``features`` that compute its low-level map."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Stages:
    """A classifier without its classification layers, as sequential blocks."""

    stem: tuple[nn.Module, ...]
    """Layers before the first block; their strides are never changed."""
    stem_stride: int
    """Side of the input over the side of the stem's output."""
    low: tuple[nn.Module, ...]
    """Blocks up to the low-level map."""
    high: tuple[nn.Module, ...]
    """Blocks from the low-level map to the high-level one."""


class FeatureExtractor(nn.Module):
    """Computes a low-level and a high-level feature map of an image batch."""

    def __init__(self, stages: _Stages, output_stride: int) -> None:
        super().__init__()
        limit_stride(
            (*stages.low, *stages.high), stride=stages.stem_stride, output_stride=output_stride
        )
        self.early = nn.Sequential(*stages.stem, *stages.low)
        self.late = nn.Sequential(*stages.high)
        self.low_channels = _out_channels(self.early)
        self.high_channels = _out_channels(self.late)
        self.output_stride = output_stride

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the low-level map (stride 4 or 8) and the high-level one (``output_stride``)."""
        low = self.early(images)
        return low, self.late(low)


def build_backbone(
    name: Backbone,
    *,
    output_stride: int,
    last_expansion: bool | None = None,
    width: float | None = None,
    weights: Weights = None,
) -> FeatureExtractor:
    """Return torchvision's ``name`` as a feature extractor.

    Low-level maps: ``layer1`` of a ResNet (stride 4), ``features[:4]`` of MobileNetV2 (stride 4),
    ``features[:7]`` of MobileNetV3-Large (8), ``features[:4]`` of MobileNetV3-Small (8).
    MobileNetV2 never has its last 1x1 convolution, so its high-level map has 320 channels.

    Args:
        name: Backbone, by its torchvision name.
        output_stride: Side of the input over the side of the high-level map: 8, 16 or 32.
        last_expansion: MobileNetV3 only: keep the last 1x1 expansion; None keeps it.
        width: MobileNets only: multiplier of all channels; None keeps them.
        weights: Source of ImageNet weights (``trainables.models.weights``); None: random.

    Raises:
        ValueError: a name, stride or option is not valid, or the weights do not fit.
        WeightsError: the weights are not available.

    Source: low-level layers from Chouti 2024, the dropped expansion from Kim et al. 2025.
    """
    _check(name, output_stride, last_expansion, width)
    classifier = _classifier(name, width)
    if weights is not None:
        load_classifier(classifier, name, weights)
    return FeatureExtractor(_cut(classifier, name, last_expansion), output_stride)


def _check(
    name: str,
    output_stride: int,
    last_expansion: bool | None,  # noqa: FBT001
    width: float | None,
) -> None:
    if name not in DILATED:
        raise ValueError(f"backbone {name!r} is unknown; there are {', '.join(DILATED)}")
    if output_stride not in OUTPUT_STRIDES:
        raise ValueError(f"output_stride must be 8, 16 or 32, got {output_stride!r}")
    if last_expansion is False and not name.startswith("mobilenet_v3"):
        raise ValueError(
            f"last_expansion=False: {name} has no last expansion layer; leave it out, "
            "or take mobilenet_v3_large or mobilenet_v3_small"
        )
    if width is not None and name not in MOBILENETS:
        raise ValueError(
            f"width={width}: {name} has no width multiplier; leave it out, "
            f"or take {', '.join(MOBILENETS)}"
        )


def _classifier(name: str, width: float | None) -> nn.Module:
    options: dict[str, Any] = {} if width is None else {"width_mult": width}
    if name.startswith("mobilenet_v3"):
        # With torchvision's momentum of 0.01 the statistics lag behind the weights in short runs.
        options["norm_layer"] = partial(nn.BatchNorm2d, eps=1e-3, momentum=0.1)
    return cast("nn.Module", get_model(name, weights=None, **options))


def _cut(classifier: nn.Module, name: str, last_expansion: bool | None) -> _Stages:  # noqa: FBT001
    if isinstance(classifier, ResNet):
        stem = (classifier.conv1, classifier.bn1, classifier.relu, classifier.maxpool)
        high = (*classifier.layer2, *classifier.layer3, *classifier.layer4)
        return _Stages(stem=stem, stem_stride=4, low=tuple(classifier.layer1), high=high)
    features = tuple(cast("MobileNetV2 | MobileNetV3", classifier).features)
    if isinstance(classifier, MobileNetV2) or last_expansion is False:
        features = features[:-1]
    end = LOW_LEVEL_END[name]
    return _Stages(stem=(), stem_stride=1, low=features[:end], high=features[end:])


def _out_channels(blocks: nn.Module) -> int:
    """Return the channels of the last convolution in ``blocks``."""
    return [module for module in blocks.modules() if isinstance(module, nn.Conv2d)][-1].out_channels
