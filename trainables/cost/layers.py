"""A network as a table of its layers, from which pruned ones are counted without being built."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch
from torch import nn

from trainables.compression.structured import channel_groups

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from search_spaces.config import Resolution
    from trainables.compression.structured import ChannelGroup
    from trainables.models.build import SegmentationModel

    Counts = NDArray[np.int64]
    Hook = Callable[[nn.Module, tuple[torch.Tensor, ...], torch.Tensor], None]

Convolution: TypeAlias = nn.Conv2d | nn.ConvTranspose2d
Layer: TypeAlias = Convolution | nn.BatchNorm2d
"""Layers of which is known how large they are with fewer channels."""


@dataclass(frozen=True, slots=True)
class LayerTable:
    """The layers of a network, with the channels that pruning takes from each.

    One row a layer, in the network's order; normalisations have rows, as they have parameters.
    """

    names: tuple[str, ...]
    taps: Counts
    """Weights between one input and one output: the area of a kernel, 1 for a normalisation."""
    inputs: Counts
    """Channels that go in, before any is gone."""
    outputs: Counts
    inputs_of: Counts
    """Rows x groups: how often the channels of a group go into a layer."""
    outputs_of: Counts
    """Rows x groups: how often they come out of it."""
    by_channel: NDArray[np.bool_]
    """Whether an output depends on one input alone: depthwise layers and normalisations."""
    biased: NDArray[np.bool_]
    groups: tuple[ChannelGroup, ...]

    @classmethod
    def of(cls, model: nn.Module) -> LayerTable:
        """Return the table of a dense model in evaluation mode.

        Raises:
            TypeError: a layer of some other kind has parameters.
            ValueError: a layer has groups of channels that are no single ones.
            MissingExtraError: Torch-Pruning is not installed.
        """
        layers = _layers(model)
        row = {name: place for place, name in enumerate(layers)}
        groups = channel_groups(model)
        shares = {side: np.zeros((len(layers), len(groups)), np.int64) for side in ("in", "out")}
        for column, group in enumerate(groups):
            for name, side in group.layers:
                if name in row:
                    shares[side][row[name], column] += 1
        channels = np.array([_channels(layer) for layer in layers.values()])
        return cls(
            names=tuple(layers),
            taps=np.array([math.prod(getattr(m, "kernel_size", ())) for m in layers.values()]),
            inputs=channels[:, 0],
            outputs=channels[:, 1],
            inputs_of=shares["in"],
            outputs_of=shares["out"],
            by_channel=np.array([_is_by_channel(layer) for layer in layers.values()]),
            biased=np.array([layer.bias is not None for layer in layers.values()]),
            groups=groups,
        )

    def params(self, ratio: float) -> int:
        """Return the number of parameters when ``ratio`` of the channels is gone, [0, 1)."""
        seen, outputs = self._left(ratio)
        return int((self.taps * seen * outputs + self.biased * outputs).sum())

    def macs(self, areas: Counts, ratio: float) -> int:
        """Return the MACs of an image when ``ratio`` of the channels is gone.

        Args:
            areas: How often each layer's kernel is applied, of ``kernel_areas``.
            ratio: Share of the channels, [0, 1).
        """
        seen, outputs = self._left(ratio)
        return int((areas * self.taps * seen * outputs).sum())

    def _left(self, ratio: float) -> tuple[Counts, Counts]:
        """Return how many inputs each output of a layer depends on, and the outputs."""
        gone = np.array([group.removed(ratio) for group in self.groups], dtype=np.int64)
        inputs = self.inputs - self.inputs_of @ gone
        return np.where(self.by_channel, 1, inputs), self.outputs - self.outputs_of @ gone


def kernel_areas(model: SegmentationModel, names: Sequence[str], resolution: Resolution) -> Counts:
    """Return how often the kernels of layers are applied to one image, on the way to its logits.

    Args:
        model: On the meta device; layers without MACs may have been taken out of it.
        names: Layers; one that is no convolution, or not there, is applied 0 times.
        resolution: Height and width of the image.
    """
    areas = dict.fromkeys(names, 0)
    handles = [
        module.register_forward_hook(_noting(name, areas))
        for name, module in model.named_modules()
        if name in areas and isinstance(module, Convolution)
    ]
    try:
        with torch.no_grad():
            image = torch.empty(1, 3, resolution.height, resolution.width, device="meta")
            model.coarse_logits(image)
    finally:
        for handle in handles:
            handle.remove()
    return np.array(list(areas.values()), dtype=np.int64)


def _noting(name: str, areas: dict[str, int]) -> Hook:
    def note(layer: nn.Module, given: tuple[torch.Tensor, ...], made: torch.Tensor) -> None:
        swept = given[0] if isinstance(layer, nn.ConvTranspose2d) else made
        areas[name] += math.prod(swept.shape[-2:])

    return note


def _layers(model: nn.Module) -> dict[str, Layer]:
    """Return the layers that have parameters of their own, by name."""
    found: dict[str, Layer] = {}
    for name, module in model.named_modules():
        if next(module.parameters(recurse=False), None) is None:
            continue
        if not isinstance(module, Layer):
            raise TypeError(f"{name} is a {type(module).__name__}")
        if isinstance(module, Convolution) and module.groups > 1 and not _is_by_channel(module):
            raise ValueError(f"{name} has {module.groups} groups of channels")
        found[name] = module
    return found


def _channels(layer: Layer) -> tuple[int, int]:
    if isinstance(layer, nn.BatchNorm2d):
        return layer.num_features, layer.num_features
    return layer.in_channels, layer.out_channels


def _is_by_channel(layer: Layer) -> bool:
    if isinstance(layer, nn.BatchNorm2d):
        return True
    return 1 < layer.groups == layer.in_channels == layer.out_channels
