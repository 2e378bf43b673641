"""An estimate of the memory that training a model takes, without training it."""

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
"""Values per weight in the optimizer's state."""
_PROBE = 2
"""Images of the probe; BatchNorm cannot normalise the pooled features of a single image."""


def training_memory_mb(
    config: TrialConfig, num_classes: int, images: int, *, half: bool = False
) -> float:
    """Return the size of weights, gradients, optimizer and saved activations, MB of 1e6 bytes.

    It excludes the workspaces of kernels, fragmentation and the CUDA context. Measured peaks of
    earlier trials calibrate the estimate where there are some.

    Args:
        config: The configuration.
        num_classes: Classes of the data set, >= 2.
        images: Images per forward pass, >= 1.
        half: Whether autocast computes in bf16 or fp16. Activations are then saved in 16 bits, and
            so is a copy of the weights. Five networks under autocast on a CPU saved 0.50 to 0.53 of
            their activations in 32 bits, and 2.00 to 2.06 bytes for each weight.

    Source: ``torch.autograd.graph.saved_tensors_hooks`` on the meta device.
    """
    model = dense_architecture(config)
    params, saved = _counts(model, config.resolution, num_classes)
    states = _STATES.get(config.optimizer, 2)
    copies, scale = (2, 0.5) if half else (0, 1.0)
    return (params * (4 * (2 + states) + copies) + scale * saved * images) / MB


@lru_cache(maxsize=2048)
def _counts(config: TrialConfig, resolution: Resolution, num_classes: int) -> tuple[int, float]:
    """Return the number of weights with the bytes saved for the backward pass of one image."""
    with no_values():
        model = build_model(config, num_classes).train()
    weights = {id(parameter) for parameter in model.parameters()}
    saved: dict[int, torch.Tensor] = {}  # by id, which is unique while the tensors are referenced

    def save(tensor: torch.Tensor) -> torch.Tensor:
        base = tensor if tensor._base is None else tensor._base  # noqa: SLF001 - views share memory
        if id(base) not in weights:
            saved[id(base)] = base
        return tensor

    images = torch.empty(_PROBE, 3, resolution.height, resolution.width, device="meta")
    with saved_tensors_hooks(save, lambda tensor: tensor):
        model(images)
    size = sum(tensor.numel() * tensor.element_size() for tensor in saved.values())
    return count_params(model), size / _PROBE
