"""Memory that training a model takes, worked out without training it."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from torch.autograd.graph import saved_tensors_hooks

from trainables.cost.macs import count_params
from trainables.cost.skeleton import no_values
from trainables.models.build import build_model
from trainables.models.shape import dense_architecture

if TYPE_CHECKING:
    from search_spaces.config import TrialConfig
    from search_spaces.resolution import Resolution

MB = 1e6
_STATES = {"sgd": 1, "adam": 2, "adamw": 2}
"""Values that an optimizer keeps of each weight."""
_PROBE = 2
"""Images of the probe; with one, BatchNorm over a pooled image has nothing to normalise."""


def training_memory_mb(config: TrialConfig, num_classes: int, images: int) -> float:
    """Return what weights, gradients, optimizer and saved activations take, MB of 1e6 bytes.

    In 32 bits. Workspaces of the kernels, the allocator's waste, the CUDA context are not in it;
    what a device really takes is learnt from trials that ran.

    Args:
        config: What is trained.
        num_classes: Classes of the data set, >= 2.
        images: Images that go through the model together, >= 1.

    Source: ``torch.autograd.graph.saved_tensors_hooks`` on the meta device.
    """
    model = dense_architecture(config)
    params, saved = _counts(model, config.resolution, num_classes)
    states = _STATES.get(config.optimizer, 2)
    return (4 * params * (2 + states) + saved * images) / MB


@lru_cache(maxsize=2048)
def _counts(config: TrialConfig, resolution: Resolution, num_classes: int) -> tuple[int, float]:
    """Return the number of weights with the bytes saved for the backward pass of one image."""
    with no_values():
        model = build_model(config, num_classes).train()
    own = {id(parameter) for parameter in model.parameters()}
    seen: dict[int, int] = {}
    kept: list[torch.Tensor] = []

    def note(tensor: torch.Tensor) -> torch.Tensor:
        base = tensor if tensor._base is None else tensor._base  # noqa: SLF001 - views share memory
        if id(base) not in own:
            seen[id(base)] = base.numel() * base.element_size()
            kept.append(base)
        return tensor

    image = torch.empty(_PROBE, 3, resolution.height, resolution.width, device="meta")
    with saved_tensors_hooks(note, lambda tensor: tensor):
        model(image)
    params = count_params(model)
    return params, sum(seen.values()) / _PROBE
