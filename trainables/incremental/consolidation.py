"""Elastic weight consolidation: a penalty on changes of weights that the old classes need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Consolidation:
    """A quadratic penalty on each weight's change, in proportion to its Fisher information."""

    anchor: Mapping[str, Tensor]
    """Old values of the weights, by name."""
    fisher: Mapping[str, Tensor]
    """Fisher information of each weight, of the same shape, mean 1 over all."""
    strength: float
    """Factor of the penalty, >= 0."""

    def penalty(self, model: nn.Module) -> Tensor:
        """Return ``strength / 2 * sum(fisher * (weight - anchor)**2)``, a scalar >= 0.

        Of a weight with rows added at the end of its first axis, the old rows count.

        Source: Kirkpatrick et al. 2017, "Overcoming catastrophic forgetting", equation 3.
        """
        pulls = [
            (self.fisher[name] * (weight[: len(old)] - old).square()).sum()
            for name, weight in model.named_parameters()
            if (old := self.anchor.get(name)) is not None
        ]
        return self.strength / 2 * torch.stack(pulls).sum()


def fisher_information(
    model: nn.Module, images: Iterable[Tensor], generator: torch.Generator
) -> dict[str, Tensor]:
    """Return the diagonal of the Fisher information of each weight, mean 1 over all weights.

    This is the mean over images of the squared gradient of the log-likelihood, which is a mean over
    an image's pixels. The labels are drawn from the model's own predictions. The scale makes a
    strength comparable between models. ``model`` stays in evaluation mode, without gradients.

    Args:
        model: Returns logits [N, C, H, W].
        images: Batches of one image, [1, 3, H, W], on the model's device.
        generator: Draws the labels; on the CPU.

    Raises:
        ValueError: there are no images, or no weight has a gradient.

    Source: Kunstner et al. 2019, "Limitations of the Empirical Fisher", for drawing the labels.
    """
    model.eval()
    sums = {name: torch.zeros_like(weight) for name, weight in model.named_parameters()}
    count = 0
    for image in images:
        logits = model(image)
        labels = _draw(logits.detach(), generator)
        model.zero_grad(set_to_none=True)
        functional.cross_entropy(logits, labels).backward()  # type: ignore[no-untyped-call]
        for name, weight in model.named_parameters():
            if weight.grad is not None:
                sums[name] += weight.grad.square()
        count += 1
    model.zero_grad(set_to_none=True)
    total = sum(float(values.double().sum()) for values in sums.values())
    if not (count and total > 0):
        raise ValueError(f"{count} images give no gradient; the Fisher information needs some")
    mean = total / sum(values.numel() for values in sums.values())
    return {name: values / mean for name, values in sums.items()}


def _draw(logits: Tensor, generator: torch.Generator) -> Tensor:
    """Return a class per pixel [N, H, W], drawn from the softmax of logits [N, C, H, W]."""
    size, classes = logits.shape, logits.shape[1]
    rows = logits.softmax(1).movedim(1, -1).reshape(-1, classes).cpu()
    drawn = torch.multinomial(rows, 1, generator=generator)
    return drawn.reshape(size[0], *size[2:]).to(logits.device)
