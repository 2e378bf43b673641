"""Structured pruning: removes whole channels by the dependency graph of a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import torch
from torch import Tensor, nn

from trainables.io.extras import need

if TYPE_CHECKING:
    from collections.abc import Callable

    from search_spaces.vocabulary import PruningImportance

    Ranking: TypeAlias = Callable[[Any], Tensor | None]
    Side: TypeAlias = Literal["in", "out"]

ROUND_TO = 8
"""Layers keep a multiple of this many channels, which int8 kernels compute at once."""
_SIDE = 64
"""Side of the image for tracing, pixels; a multiple of every stride."""


@dataclass(frozen=True, slots=True)
class ChannelGroup:
    """Channels that several layers share, so that all of them lose the same ones."""

    channels: int
    """Number of channels before pruning."""
    layers: tuple[tuple[str, Side], ...]
    """Layers and the side with the channels; repeated if a layer has them several times."""

    def removed(self, ratio: float) -> int:
        """Return how many channels ``prune_channels`` removes; it never removes all."""
        target = int(self.channels * (1 - ratio))
        remaining = target - target % ROUND_TO
        return self.channels - remaining if remaining and target < self.channels else 0


def channel_groups(model: nn.Module) -> tuple[ChannelGroup, ...]:
    """Return the groups of channels that ``prune_channels`` prunes; ``model`` is not changed.

    Args:
        model: Takes N x 3 x H x W images, on any device, in evaluation mode.

    Raises:
        MissingExtraError: Torch-Pruning is not installed.
    """
    pruning = need("torch_pruning", "structured pruning")
    names = {module: name for name, module in model.named_modules()}
    graph = pruning.DependencyGraph()
    with torch.enable_grad():
        graph.build_dependency(model, _traced(model))
    groups = []
    for group in graph.get_all_groups(ignored_layers=classifiers(model)):
        channels, layers = len(group[0].idxs), []
        for dependency, indices in group:
            name = names.get(dependency.target.module)
            if name is not None:
                out = graph.is_out_channel_pruning_fn(dependency.handler)
                side: Side = "out" if out else "in"
                layers += [(name, side)] * (len(indices) // channels)
        groups.append(ChannelGroup(channels, tuple(layers)))
    return tuple(groups)


def prune_channels(
    model: nn.Module, ratio: float, importance: PruningImportance | None = None
) -> None:
    """Remove ``ratio`` of the channels of every layer of ``model``, in place.

    The ratio is uniform, so the resulting shapes depend on architecture and ratio alone and are
    known before training. Layers that share channels (residual sums, concatenations, depthwise
    convolutions, squeeze-and-excite gates) lose the same ones. The classifier keeps its outputs.
    Convolutions keep a multiple of 8 channels.

    Args:
        model: Takes N x 3 x H x W images, on any device, in any mode.
        ratio: Share of the channels, (0, 1).
        importance: Ranking of channels: ``magnitude`` (L2 norm of the weights), ``bn_scale``
            (absolute scale of BatchNorm) or ``taylor`` (first-order change of the loss, which needs
            gradients). None keeps the first channels, for models without trained weights, also on
            the meta device.

    Raises:
        ValueError: the ratio is outside (0, 1), or gradients are missing.
        MissingExtraError: Torch-Pruning is not installed.

    Source:
        Fang et al. 2023, "DepGraph: Towards Any Structural Pruning"; Li et al. 2017 for the
        magnitude, Molchanov et al. 2019 for Taylor, Liu et al. 2017 for BatchNorm's scale.
    """
    if not 0 < ratio < 1:
        raise ValueError(f"pruning_ratio must be in (0, 1), got {ratio}")
    pruning = need("torch_pruning", "structured pruning")
    if importance == "taylor" and not any(p.grad is not None for p in model.parameters()):
        raise ValueError("taylor importance needs gradients; run backward on a batch first")
    training = [module.training for module in model.modules()]
    model.eval()
    with torch.enable_grad():
        pruner = pruning.pruner.BasePruner(
            model,
            _traced(model),
            importance=_ranking(pruning, importance),
            pruning_ratio=ratio,
            round_to=ROUND_TO,
            ignored_layers=classifiers(model),
        )
        pruner.step()
    model.zero_grad(set_to_none=True)
    for module, was in zip(model.modules(), training, strict=True):
        module.training = was


def _traced(model: nn.Module) -> Tensor:
    return torch.zeros(1, 3, _SIDE, _SIDE, device=next(model.parameters()).device)


def classifiers(model: nn.Module) -> list[nn.Module]:
    """Return the layers that output classes: the last one, and all named ``classifier``."""
    layers = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d)
    ]
    named = [module for name, module in layers if "classifier" in name]
    return [*named, *(module for _, module in layers[-1:] if module not in named)]


def _ranking(pruning: Any, importance: PruningImportance | None) -> Ranking:  # noqa: ANN401
    if importance is None:
        return _first_channels
    magnitude: Ranking = pruning.importance.GroupMagnitudeImportance(p=2)
    if importance == "magnitude":
        return magnitude
    chosen: Ranking = (
        pruning.importance.GroupTaylorImportance()
        if importance == "taylor"
        else pruning.importance.BNScaleImportance()
    )

    def ranked(group: Any) -> Tensor | None:  # noqa: ANN401
        # Channels without BatchNorm (in squeeze-and-excite) have no such score. Skipping them would
        # make the shape depend on the importance.
        scores = chosen(group)
        return magnitude(group) if scores is None else scores

    return ranked


def _first_channels(group: Any) -> Tensor:  # noqa: ANN401
    # On the CPU, because the default device may be meta, whose tensors have no values.
    return torch.arange(len(group[0].idxs), 0, -1, dtype=torch.float32, device="cpu")
