"""A network as a table of its layers, from which others of its kind are counted without a build."""

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
"""Layers of which is known how large they are, whatever their channels."""


@dataclass(frozen=True, slots=True)
class LayerTable:
    """The layers of a network that have parameters, one row each, in the network's order."""

    names: tuple[str, ...]
    taps: Counts
    """Weights between one input and one output: the area of a kernel, 1 for a normalisation."""
    inputs: Counts
    """Channels that go in."""
    outputs: Counts
    by_channel: NDArray[np.bool_]
    """Whether an output depends on one input alone: depthwise layers and normalisations."""
    biased: NDArray[np.bool_]

    @classmethod
    def of(cls, model: nn.Module) -> LayerTable:
        """Return the table of a network.

        Raises:
            TypeError: a layer of some other kind has parameters.
            ValueError: a layer has groups of channels that are no single ones.
        """
        found = _layers(model)
        layers = list(found.values())
        channels = np.array([_channels(layer) for layer in layers])
        return cls(
            names=tuple(found),
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
            areas: How often each layer's kernel is applied, of ``kernel_areas``.
        """
        return areas * self._weights()

    def _weights(self) -> Counts:
        return self.taps * np.where(self.by_channel, 1, self.inputs) * self.outputs


@dataclass(frozen=True, slots=True)
class PrunableTable:
    """The layers of a dense network, with the channels that pruning takes from each."""

    dense: LayerTable
    groups: tuple[ChannelGroup, ...]
    inputs_of: Counts
    """Layers x groups: how often the channels of a group go into a layer."""
    outputs_of: Counts
    """Layers x groups: how often they come out of it."""

    @classmethod
    def of(cls, model: nn.Module) -> PrunableTable:
        """Return the table of a dense network in evaluation mode.

        Raises:
            TypeError: a layer of another kind than tables hold has parameters.
            ValueError: a layer has groups of channels that are no single ones.
            MissingExtraError: Torch-Pruning is not installed.
        """
        dense, groups = LayerTable.of(model), channel_groups(model)
        row = {name: place for place, name in enumerate(dense.names)}
        shares = {side: np.zeros((len(row), len(groups)), np.int64) for side in ("in", "out")}
        for column, group in enumerate(groups):
            for name, side in group.layers:
                if name in row:
                    shares[side][row[name], column] += 1
        return cls(dense, groups, shares["in"], shares["out"])

    def left_by(self, ratio: float) -> LayerTable:
        """Return what is left when ``ratio`` of the channels is gone, [0, 1)."""
        gone = np.array([group.removed(ratio) for group in self.groups], dtype=np.int64)
        return replace(
            self.dense,
            inputs=self.dense.inputs - self.inputs_of @ gone,
            outputs=self.dense.outputs - self.outputs_of @ gone,
        )


def kernel_areas(
    model: nn.Module, inputs: Sequence[object], names: Sequence[str]
) -> tuple[Counts, Any]:
    """Return how often the kernels of layers are applied when ``model`` is run, and what it makes.

    Args:
        model: On the meta device; layers without MACs may have been taken out of it.
        inputs: What it is run on.
        names: Layers; one that is no convolution, or not there, is applied 0 times.
    """
    areas = dict.fromkeys(names, 0)
    handles = [
        module.register_forward_hook(_noting(name, areas))
        for name, module in model.named_modules()
        if name in areas and isinstance(module, Convolution)
    ]
    try:
        with torch.no_grad():
            made = model(*inputs)
    finally:
        for handle in handles:
            handle.remove()
    return np.array(list(areas.values()), dtype=np.int64), made


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
