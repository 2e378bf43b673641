"""Parameters and MACs of our own architectures at any resolution, without building most of them.

A searcher needs the costs of hundreds of candidates per proposal. There are few encoders, and heads
are small. A layer's MACs grow with the image or are fixed. The layers of a pruned network follow
from the dense ones. So the parts are built once and cached.

Simpler caches were measured and are slower: docs/adr/0017-caches-of-costs.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
import torch
from torchvision.models._utils import _make_divisible

from search_spaces.resolution import Resolution
from search_spaces.vocabulary import STRIDED_ARCHS
from trainables.cost.layers import LayerTable, PrunableTable, kernel_areas
from trainables.cost.skeleton import no_values, strip
from trainables.models.build import build_encoder, build_head, build_model

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from search_spaces.config import TrialConfig
    from trainables.models.backbones import FeatureExtractor
    from trainables.models.deconvnet import VggEncoder

PROBE = Resolution(64, 96)
"""Image size of the forward passes: at least twice the largest stride, so that a map has one pixel
only after global pooling."""

CHANNEL_STEP = 8
"""MobileNets round their channels to multiples of this."""
_PROBING = Lock()
"""Held during the forward pass of a cached encoder: two at once would count each other's layers."""
_WIDTHS: dict[tuple[TrialConfig, tuple[int, ...]], float] = {}
"""The first width of an architecture that has these channels."""


@dataclass(frozen=True, slots=True)
class Costs:
    """The costs of a network, or of a part of it, for one image."""

    params: int
    """Number of parameters."""
    growing: int
    """MACs of the layers whose maps grow with the image, at the size of the forward pass."""
    fixed: int
    """MACs of the layers whose maps are one pixel."""

    @classmethod
    def of(cls, table: LayerTable, areas: NDArray[np.int64]) -> Costs:
        """Return the costs of a table's layers, given their areas at some image size."""
        macs, one = table.macs(areas), areas == 1
        return cls(table.params(), int(macs[~one].sum()), int(macs[one].sum()))

    def __add__(self, other: Costs) -> Costs:
        """Return the costs of both parts."""
        return Costs(
            self.params + other.params, self.growing + other.growing, self.fixed + other.fixed
        )

    def macs(self, probe: Resolution, resolution: Resolution) -> int:
        """Return the MACs at a resolution that every stride divides, from those at ``probe``."""
        pixels = resolution.height * resolution.width
        return self.growing * pixels // (probe.height * probe.width) + self.fixed


def dense_costs(
    architecture: TrialConfig, resolution: Resolution, num_classes: int
) -> tuple[int, int]:
    """Return parameters and MACs of a dense network.

    Args:
        architecture: ``dense_architecture`` of a configuration with an architecture of our own.
        resolution: Size of the image.
        num_classes: Channels of the logits, >= 1.

    Raises:
        ValueError: the network cannot be built.
    """
    probe = _probe(architecture, resolution)
    architecture, full_width = _first_of_equal(architecture), replace(architecture, width=None)
    encoder, head = _tables(architecture, num_classes)
    # The areas do not depend on the width, unless it changes which layers there are.
    same = [t.names for t in _tables(full_width, num_classes)] == [encoder.names, head.names]
    areas = _areas(full_width if same else architecture, num_classes, probe)
    costs = Costs.of(encoder, areas[0]) + Costs.of(head, areas[1])
    return costs.params, costs.macs(probe, resolution)


def pruned_costs(
    architecture: TrialConfig, resolution: Resolution, num_classes: int, *, ratio: float
) -> tuple[int, int]:
    """Return parameters and MACs of a network after ``prune_channels``.

    Args:
        architecture: As for ``dense_costs``.
        resolution: Size of the image.
        num_classes: Channels of the logits, >= 1.
        ratio: Share of the channels to prune, (0, 1).

    Raises:
        ValueError: the network cannot be built.
        MissingExtraError: Torch-Pruning is not installed.
    """
    probe = _probe(architecture, resolution)
    table, areas = _prunable(_first_of_equal(architecture), num_classes, probe)
    costs = Costs.of(table.left_by(ratio), areas)
    return costs.params, costs.macs(probe, resolution)


@dataclass(frozen=True, slots=True)
class _Encoder:
    network: VggEncoder | FeatureExtractor
    """The encoder without layers that have no MACs."""
    table: LayerTable
    """All its layers."""


def _probe(architecture: TrialConfig, resolution: Resolution) -> Resolution:
    """Return the image size of the forward pass.

    A DeconvNet's bottleneck has a fixed size, so its MACs do not grow with the image.
    """
    return PROBE if architecture.arch in STRIDED_ARCHS else resolution


def _of_encoder(architecture: TrialConfig) -> TrialConfig:
    """Return the cache key of an architecture's encoder, which heads of any kind share."""
    if architecture.arch not in STRIDED_ARCHS:
        return architecture
    return replace(architecture, arch="deeplabv3", decoder_convs=None)


@lru_cache(maxsize=4096)
def _encoder_table(architecture: TrialConfig) -> LayerTable:
    return _encoder(architecture).table


@lru_cache(maxsize=64)
def _encoder(architecture: TrialConfig) -> _Encoder:
    with no_values():
        network = build_encoder(architecture).eval()
    table = LayerTable.of(network)
    strip(network)
    return _Encoder(network, table)


def _first_of_equal(architecture: TrialConfig) -> TrialConfig:
    """Return the first requested architecture with the same channels after rounding.

    Many widths round to the same channels, so this saves building their networks.
    """
    width = architecture.width
    if width is None:
        return architecture
    full_width = replace(architecture, width=None)
    table = _encoder_table(_of_encoder(full_width))
    channels = np.unique([table.inputs, table.outputs]).tolist()
    rounded = tuple(_make_divisible(width * count, CHANNEL_STEP) for count in channels)
    return replace(architecture, width=_WIDTHS.setdefault((full_width, rounded), width))


def _tables(architecture: TrialConfig, num_classes: int) -> tuple[LayerTable, LayerTable]:
    """Return the layers of the encoder and of the head."""
    return _encoder_table(_of_encoder(architecture)), _head(architecture, num_classes)


@lru_cache(maxsize=4096)
def _head(architecture: TrialConfig, num_classes: int) -> LayerTable:
    return LayerTable.of(_built_head(architecture, num_classes))


def _built_head(architecture: TrialConfig, num_classes: int) -> nn.Module:
    encoder = _encoder(_of_encoder(architecture))
    with no_values():
        return build_head(architecture, encoder.network, num_classes).eval()


@lru_cache(maxsize=1024)
def _areas(
    architecture: TrialConfig, num_classes: int, probe: Resolution
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the areas of the layers of encoder and head."""
    encoder, head = _encoder(_of_encoder(architecture)), _built_head(architecture, num_classes)
    names = LayerTable.of(head).names
    strip(head)
    with _PROBING:
        areas, maps = kernel_areas(encoder.network, [_image(probe)], encoder.table.names)
    return areas, kernel_areas(head, maps, names)[0]


@lru_cache(maxsize=256)
def _prunable(
    architecture: TrialConfig, num_classes: int, probe: Resolution
) -> tuple[PrunableTable, NDArray[np.int64]]:
    with no_values():
        model = build_model(architecture, num_classes).eval()
    table = PrunableTable.of(model)
    strip(model)
    return table, kernel_areas(model, [_image(probe)], table.dense.names)[0]


def _image(size: Resolution) -> torch.Tensor:
    return torch.empty(1, 3, size.height, size.width, device="meta")
