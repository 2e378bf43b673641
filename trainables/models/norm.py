"""Batch normalization of maps that may have a single value per channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    import torch


class SingleValueBatchNorm2d(nn.BatchNorm2d):
    """Batch normalization that also trains with a single value per channel.

    ASPP's image pooling, for example, returns one value per channel and image. A batch of one image
    then has no batch statistics; the running statistics are used and stay unchanged.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 (the base class's name)
        """Return ``input`` (N x C x H x W) normalized per channel."""
        if self.training and input.numel() == self.num_features:
            return functional.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(input)
