"""Feature extractors cut from torchvision's classifiers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pickle import UnpicklingError
from typing import TYPE_CHECKING, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn
from torchvision.models import MobileNetV2, MobileNetV3, ResNet, get_model

from search_spaces.config import BACKBONES
from trainables.models.dilation import limit_stride

if TYPE_CHECKING:
    from pathlib import Path

    from search_spaces.config import Backbone

OUTPUT_STRIDES = (8, 16, 32)
LOW_LEVEL_END = {"mobilenet_v2": 4, "mobilenet_v3_large": 7, "mobilenet_v3_small": 4}
"""Number of leading ``features`` of a MobileNet that make its low-level map."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Stages:
    """A classifier without its classifying end, as blocks that run one after the other."""

    stem: tuple[nn.Module, ...]
    """Layers before the first block, whose strides are never changed."""
    stem_stride: int
    """Input side over the side of the map that leaves the stem, pixels per pixel."""
    low: tuple[nn.Module, ...]
    """Blocks up to the low-level map."""
    high: tuple[nn.Module, ...]
    """Blocks from the low-level map to the high-level one."""


class FeatureExtractor(nn.Module):
    """Two feature maps of an image batch: an early one with detail, a deep one with meaning."""

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
    weights: Path | None = None,
) -> FeatureExtractor:
    """Return torchvision's ``name`` as a feature extractor; nothing is ever downloaded.

    Low-level maps: ``layer1`` of a ResNet (stride 4), ``features[:4]`` of MobileNetV2 (stride 4),
    ``features[:7]`` of MobileNetV3-Large (8), ``features[:4]`` of MobileNetV3-Small (8).
    MobileNetV2 always comes without its last 1x1 convolution, so with 320 channels.

    Args:
        name: Backbone, by its torchvision name.
        output_stride: Input side over the side of the high-level map: 8, 16 or 32.
        last_expansion: MobileNetV3 only: keep the last 1x1 expansion; None keeps it.
        weights: Local file of ImageNet weights with torchvision's names, ``.safetensors`` or
            a pickle of tensors; None starts from random weights.

    Raises:
        ValueError: a name, stride or option is impossible, or the weights do not fit.

    Source: the low-level layers are those of Chouti 2024, the dropped expansion is Kim et al. 2025.
    """
    _check(name, output_stride, last_expansion)
    classifier = _classifier(name)
    if weights is not None:
        _load(classifier, weights, name)
    return FeatureExtractor(_cut(classifier, name, last_expansion), output_stride)


def _check(name: str, output_stride: int, last_expansion: bool | None) -> None:  # noqa: FBT001
    if name not in BACKBONES:
        raise ValueError(f"backbone {name!r} is unknown; there are {', '.join(BACKBONES)}")
    if output_stride not in OUTPUT_STRIDES:
        raise ValueError(f"output_stride must be 8, 16 or 32, got {output_stride!r}")
    if last_expansion is False and not name.startswith("mobilenet_v3"):
        raise ValueError(
            f"last_expansion=False: {name} has no last expansion layer; leave it out, "
            "or take mobilenet_v3_large or mobilenet_v3_small"
        )


def _classifier(name: str) -> nn.Module:
    if name.startswith("mobilenet_v3"):
        # torchvision's own momentum of 0.01 lags far behind the weights in runs of a few epochs.
        norm = partial(nn.BatchNorm2d, eps=1e-3, momentum=0.1)
        return cast("nn.Module", get_model(name, weights=None, norm_layer=norm))
    return cast("nn.Module", get_model(name, weights=None))


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


def _load(classifier: nn.Module, weights: Path, name: str) -> None:
    """Fill ``classifier`` from a file; the classifying end may be missing or of another size."""
    state = _read(weights)
    state = {key: value for key, value in state.items() if not _classifying(key)}
    try:
        missing, unknown = classifier.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise ValueError(f"{weights} does not fit {name}: {error}") from error
    missing = [key for key in missing if not _classifying(key)]
    if missing or unknown:
        raise ValueError(
            f"{weights} does not fit {name}: {len(missing)} tensors missing {missing[:3]}, "
            f"{len(unknown)} unknown {unknown[:3]}; give a file with torchvision's names"
        )


def _read(weights: Path) -> dict[str, torch.Tensor]:
    try:
        if weights.suffix == ".safetensors":
            return load_file(weights)
        return dict(torch.load(weights, map_location="cpu", weights_only=True))
    except (UnpicklingError, SafetensorError, RuntimeError, EOFError) as error:
        raise ValueError(f"{weights} is no sound file of tensors: {error}") from error


def _classifying(key: str) -> bool:
    return key.startswith(("classifier.", "fc."))


def _out_channels(blocks: nn.Module) -> int:
    """Return the channels of the last convolution in ``blocks``."""
    return [module for module in blocks.modules() if isinstance(module, nn.Conv2d)][-1].out_channels
