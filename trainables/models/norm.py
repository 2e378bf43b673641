"""Batch normalisation of maps that may hold a single value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    import torch


class SingleValueBatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation that also trains where a channel has a single value.

    The image pooling of ASPP, say, leaves one value per channel of each image. For a batch of one
    image the batch statistics do not exist: the running ones are used then, and left as they are.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 (the base class's name)
        """Return ``input`` (N x C x H x W) normalised per channel."""
        if self.training and input.numel() == self.num_features:
            return functional.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(input)
