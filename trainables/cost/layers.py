"""A network as a table of its layers, from which pruned networks are counted without building."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from torch import nn

from trainables.compression.structured import channel_groups

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from trainables.compression.structured import ChannelGroup

    Counts = NDArray[np.int64]
    Hook = Callable[[nn.Module, tuple[torch.Tensor, ...], torch.Tensor], None]

Convolution: TypeAlias = nn.Conv2d | nn.ConvTranspose2d
Layer: TypeAlias = Convolution | nn.BatchNorm2d
"""Layers whose size follows from their channels."""


@dataclass(frozen=True, slots=True)
class LayerTable:
    """The layers of a network that have parameters, one row each, in the network's order."""

    names: tuple[str, ...]
    taps: Counts
    """Weights between one input and one output: the area of a kernel, 1 for a normalisation."""
    inputs: Counts
    """Input channels."""
    outputs: Counts
    """Output channels."""
    by_channel: NDArray[np.bool_]
    """Whether an output depends on one input alone: depthwise layers and normalisations."""
    biased: NDArray[np.bool_]
    """Whether the layer has a bias."""

    @classmethod
    def of(cls, model: nn.Module) -> LayerTable:
        """Return the table of a network.

        Raises:
            TypeError: a layer of another kind has parameters.
            ValueError: a grouped convolution is not depthwise.
        """
        by_name = _layers(model)
        layers = list(by_name.values())
        channels = np.array([_channels(layer) for layer in layers])
        return cls(
            names=tuple(by_name),
            taps=np.array([math.prod(getattr(layer, "kernel_size", ())) for layer in layers]),
            inputs=channels[:, 0],
            outputs=channels[:, 1],
            by_channel=np.array([_is_by_channel(layer) for layer in layers]),
            biased=np.array([layer.bias is not None for layer in layers]),
        )

    def params(self) -> int:
        """Return the number of parameters."""
        return int((self._weights() + self.biased * self.outputs).sum())

    def macs(self, areas: Counts) -> Counts:
        """Return each layer's MACs of one image.

        Args:
            areas: How often each layer's kernel is applied, from ``kernel_areas``.
        """
        return areas * self._weights()

    def _weights(self) -> Counts:
        return self.taps * np.where(self.by_channel, 1, self.inputs) * self.outputs


@dataclass(frozen=True, slots=True)
class PrunableTable:
    """The layers of a dense network, with the channels that pruning removes from each."""

    dense: LayerTable
    """The layers before pruning."""
    groups: tuple[ChannelGroup, ...]
    """Channels that are pruned together."""
    inputs_of: Counts
    """Layers x groups: how often the channels of a group are inputs of a layer."""
    outputs_of: Counts
    """Layers x groups: how often they are outputs of it."""

    @classmethod
    def of(cls, model: nn.Module) -> PrunableTable:
        """Return the table of a dense network in evaluation mode.

        Raises:
            TypeError: a layer of another kind has parameters.
            ValueError: a grouped convolution is not depthwise.
            MissingExtraError: Torch-Pruning is not installed.
        """
        dense, groups = LayerTable.of(model), channel_groups(model)
        row = {name: i for i, name in enumerate(dense.names)}
        shares = {side: np.zeros((len(row), len(groups)), np.int64) for side in ("in", "out")}
        for column, group in enumerate(groups):
            for name, side in group.layers:
                if name in row:
                    shares[side][row[name], column] += 1
        return cls(dense, groups, shares["in"], shares["out"])

    def left_by(self, ratio: float) -> LayerTable:
        """Return the layers after pruning ``ratio`` of the channels, [0, 1)."""
        removed = np.array([group.removed(ratio) for group in self.groups], dtype=np.int64)
        return replace(
            self.dense,
            inputs=self.dense.inputs - self.inputs_of @ removed,
            outputs=self.dense.outputs - self.outputs_of @ removed,
        )


def kernel_areas(
    model: nn.Module, inputs: Sequence[object], names: Sequence[str]
) -> tuple[Counts, Any]:
    """Return how often one forward pass applies the kernel of each layer, and its output.

    Args:
        model: On the meta device; layers without MACs may have been removed.
        inputs: Arguments of the forward pass.
        names: Layers; 0 for one that is missing or no convolution.
    """
    areas = dict.fromkeys(names, 0)
    handles = [
        module.register_forward_hook(_counting(name, areas))
        for name, module in model.named_modules()
        if name in areas and isinstance(module, Convolution)
    ]
    try:
        with torch.no_grad():
            output = model(*inputs)
    finally:
        for handle in handles:
            handle.remove()
    return np.array(list(areas.values()), dtype=np.int64), output


def _counting(name: str, areas: dict[str, int]) -> Hook:
    def count(layer: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        applied = inputs[0] if isinstance(layer, nn.ConvTranspose2d) else output
        areas[name] += math.prod(applied.shape[-2:])

    return count


def _layers(model: nn.Module) -> dict[str, Layer]:
    """Return the layers that have parameters of their own, by name."""
    layers: dict[str, Layer] = {}
    for name, module in model.named_modules():
        if next(module.parameters(recurse=False), None) is None:
            continue
        if not isinstance(module, Layer):
            raise TypeError(f"{name} is a {type(module).__name__}")
        if isinstance(module, Convolution) and module.groups > 1 and not _is_by_channel(module):
            raise ValueError(f"{name} has {module.groups} groups of channels")
        layers[name] = module
    return layers


def _channels(layer: Layer) -> tuple[int, int]:
    if isinstance(layer, nn.BatchNorm2d):
        return layer.num_features, layer.num_features
    return layer.in_channels, layer.out_channels


def _is_by_channel(layer: Layer) -> bool:
    if isinstance(layer, nn.BatchNorm2d):
        return True
    return 1 < layer.groups == layer.in_channels == layer.out_channels
