"""The optimizer and the learning-rate schedule of a configuration."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

if TYPE_CHECKING:
    from torch import nn

    from search_spaces.config import TrialConfig

POLY_POWER = 0.9
"""Exponent of the poly schedule (DeepLab)."""
STEP_FACTOR = 0.1
"""Factor of the learning rate at each step of the step schedule."""


def build_optimizer(model: nn.Module, config: TrialConfig) -> Optimizer:
    """Return the configuration's optimizer over the trainable parameters of ``model``.

    Weight decay excludes biases and BatchNorm's scales. The fused kernel does one pass over each
    parameter instead of a dozen, on CPUs as well.
    """
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trainable if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in trainable if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if config.optimizer == "adamw":
        return AdamW(groups, lr=config.learning_rate, fused=True)
    momentum = config.momentum or 0.0
    return SGD(groups, lr=config.learning_rate, momentum=momentum, fused=True)


def schedule_factor(
    config: TrialConfig, step: int, *, steps_per_epoch: int, total_steps: int
) -> float:
    """Return the factor of the initial learning rate at optimizer step ``step`` (from 0).

    constant: 1. step: 0.1 to the power of the ``schedule_step_epochs`` completed. cosine: half a
    cosine from 1 towards 0. poly: (1 - progress) ** 0.9. All are in [0, 1] and never rise; steps
    beyond ``total_steps`` count as the last.
    """
    progress = min(step / total_steps, 1.0)
    if config.schedule == "step":
        return float(
            STEP_FACTOR ** (step // (steps_per_epoch * (config.schedule_step_epochs or 1)))
        )
    if config.schedule == "cosine":
        return (1 + math.cos(math.pi * progress)) / 2
    if config.schedule == "poly":
        return float((1 - progress) ** POLY_POWER)
    return 1.0


def build_schedule(
    optimizer: Optimizer,
    config: TrialConfig,
    *,
    steps_per_epoch: int,
    total_steps: int,
    taken: int = 0,
) -> LambdaLR:
    """Return the schedule, which advances once per optimizer step and starts at step ``taken``."""

    def factor(step: int) -> float:
        return schedule_factor(
            config, step + taken, steps_per_epoch=steps_per_epoch, total_steps=total_steps
        )

    return LambdaLR(optimizer, factor)
