"""Methods of class-incremental training: expansion, exemplars and weight consolidation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from trainables.incremental.config import ExtendError
from trainables.models.build import build_model

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torch import Tensor, nn

    from search_spaces.config import TrialConfig
    from trainables.models.build import SegmentationModel


def expanded(
    model: SegmentationModel, config: TrialConfig, classes: int, added: int
) -> SegmentationModel:
    """Return a copy of ``model`` with ``added`` further outputs, in training mode.

    The old logits do not change. The classifier's rows of the new classes have random weights from
    torch's global generator.

    Raises:
        ExtendError: other layers than the last depend on the number of classes.
    """
    larger = build_model(config, classes + added)
    old, state = model.state_dict(), larger.state_dict()
    for name, values in state.items():
        before = old[name]
        if before.shape == values.shape:
            values.copy_(before)
            continue
        rows = (classes, classes + added)
        if before.shape[1:] != values.shape[1:] or (len(before), len(values)) != rows:
            raise ExtendError(
                f"{config.arch} on {config.backbone} cannot be extended: {name} is "
                f"{tuple(before.shape)} for {classes} classes and {tuple(values.shape)} for "
                f"{classes + added}; choose an architecture with the classes in the last layer only"
            )
        values[:classes].copy_(before)
    return larger.train()


def herd(features: Tensor, count: int) -> list[int]:
    """Return at most ``count`` rows whose mean approximates the mean of all, best first.

    Each next row is the one that brings the mean of the chosen rows nearest to the mean of all; the
    first of equally near ones.

    Args:
        features: One row per image, [N, D].
        count: Number of rows, >= 0; at most N are returned.

    Source: Rebuffi et al. 2017, "iCaRL: Incremental Classifier and Representation Learning".
    """
    target = features.double().mean(0)
    chosen: list[int] = []
    total = torch.zeros_like(target)
    free = torch.ones(len(features), dtype=torch.bool)
    while len(chosen) < min(count, len(features)):
        means = (total + features.double()) / (len(chosen) + 1)
        distances = (means - target).square().sum(1).masked_fill(~free, torch.inf)
        best = int(distances.argmin())
        chosen.append(best)
        free[best] = False
        total += features[best].double()
    return chosen


def image_features(model: SegmentationModel, images: Iterable[Tensor]) -> Tensor:
    """Return mean and standard deviation of each class's coarse logits per image.

    ``images`` are batches of one image; the result is on the CPU, [N, 2C].
    """
    model.eval()
    rows = []
    with torch.inference_mode():
        for image in images:
            logits = model.coarse_logits(image)[0].flatten(1).float()
            rows.append(torch.cat((logits.mean(1), logits.std(1, correction=0))).cpu())
    return torch.stack(rows)


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
