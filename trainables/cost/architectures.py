"""Parameters and MACs of our own architectures at any resolution, from one look at each part.

A search asks for the costs of hundreds of candidates a proposal. Encoders are few, heads are small,
a layer's work grows with the image or not at all, and what pruning leaves follows from the dense
network's layers, so that next to nothing is built for a new candidate.
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

SEEN = Resolution(64, 96)
"""Size at which a network is looked at: twice the largest stride and more, so that a map of one
pixel is one whatever the image."""

CHANNEL_STEP = 8
"""What a MobileNet rounds its channels to."""
_LOOKING = Lock()
"""Held while an encoder that others share is watched: two at once would count each other's work."""
_WIDTHS: dict[tuple[TrialConfig, tuple[int, ...]], float] = {}
"""Of every architecture, and channels of it, the first width that has them."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What a network, or a part of it, costs an image."""

    params: int
    growing: int
    """MACs of the layers whose maps grow with the image, at the size it was looked at."""
    fixed: int
    """MACs of the layers whose maps are one pixel."""

    @classmethod
    def of(cls, table: LayerTable, areas: NDArray[np.int64]) -> Costs:
        """Return the costs of a table's layers with their areas at some size."""
        macs, one = table.macs(areas), areas == 1
        return cls(table.params(), int(macs[~one].sum()), int(macs[one].sum()))

    def __add__(self, other: Costs) -> Costs:
        """Return what both parts cost."""
        return Costs(
            self.params + other.params, self.growing + other.growing, self.fixed + other.fixed
        )

    def macs(self, seen: Resolution, resolution: Resolution) -> int:
        """Return the MACs at a resolution that every stride divides, from those at another."""
        pixels = resolution.height * resolution.width
        return self.growing * pixels // (seen.height * seen.width) + self.fixed


def dense_costs(
    architecture: TrialConfig, resolution: Resolution, num_classes: int
) -> tuple[int, int]:
    """Return parameters and MACs of a dense network.

    Args:
        architecture: What ``dense_architecture`` leaves of a configuration, of an architecture of
            our own.
        resolution: Size of the image.
        num_classes: Channels of the logits, >= 1.

    Raises:
        ValueError: the network cannot be built.
    """
    seen = _seen(architecture, resolution)
    architecture, whole = _first_alike(architecture), replace(architecture, width=None)
    encoder, head = _tables(architecture, num_classes)
    same = [table.names for table in _tables(whole, num_classes)] == [encoder.names, head.names]
    areas = _areas(whole if same else architecture, num_classes, seen)
    costs = Costs.of(encoder, areas[0]) + Costs.of(head, areas[1])
    return costs.params, costs.macs(seen, resolution)


def pruned_costs(
    architecture: TrialConfig, resolution: Resolution, num_classes: int, *, ratio: float
) -> tuple[int, int]:
    """Return parameters and MACs of what ``prune_channels`` leaves of a network.

    Args:
        architecture: As for ``dense_costs``.
        resolution: Size of the image.
        num_classes: Channels of the logits, >= 1.
        ratio: Share of the channels that go, (0, 1).

    Raises:
        ValueError: the network cannot be built.
        MissingExtraError: Torch-Pruning is not installed.
    """
    seen = _seen(architecture, resolution)
    table, areas = _prunable(_first_alike(architecture), num_classes, seen)
    costs = Costs.of(table.left_by(ratio), areas)
    return costs.params, costs.macs(seen, resolution)


@dataclass(frozen=True, slots=True)
class _Encoder:
    network: VggEncoder | FeatureExtractor
    """Stripped to what has MACs."""
    table: LayerTable


def _seen(architecture: TrialConfig, resolution: Resolution) -> Resolution:
    """Return the size to look at a network: a DeconvNet's bottleneck sees 7x7 of any map."""
    return SEEN if architecture.arch in STRIDED_ARCHS else resolution


def _of_encoder(architecture: TrialConfig) -> TrialConfig:
    """Return ``architecture`` with the head that all share whose encoder is the same."""
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


def _first_alike(architecture: TrialConfig) -> TrialConfig:
    """Return the first architecture asked for whose width rounds all channels to the same."""
    width = architecture.width
    if width is None:
        return architecture
    whole = replace(architecture, width=None)
    table = _encoder_table(_of_encoder(whole))
    channels = np.unique([table.inputs, table.outputs]).tolist()
    rounded = tuple(_make_divisible(width * each, CHANNEL_STEP) for each in channels)
    return replace(architecture, width=_WIDTHS.setdefault((whole, rounded), width))


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
    architecture: TrialConfig, num_classes: int, seen: Resolution
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the areas of the layers of encoder and head; same layers have them at every width."""
    encoder, head = _encoder(_of_encoder(architecture)), _built_head(architecture, num_classes)
    names = LayerTable.of(head).names
    strip(head)
    with _LOOKING:
        areas, maps = kernel_areas(encoder.network, [_image(seen)], encoder.table.names)
    return areas, kernel_areas(head, maps, names)[0]


@lru_cache(maxsize=256)
def _prunable(
    architecture: TrialConfig, num_classes: int, seen: Resolution
) -> tuple[PrunableTable, NDArray[np.int64]]:
    with no_values():
        model = build_model(architecture, num_classes).eval()
    table = PrunableTable.of(model)
    strip(model)
    return table, kernel_areas(model, [_image(seen)], table.dense.names)[0]


def _image(size: Resolution) -> torch.Tensor:
    return torch.empty(1, 3, size.height, size.width, device="meta")
