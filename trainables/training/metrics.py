"""Dataset-level segmentation metrics from counts that add up over batches and ranks."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from trainables.training.finite import (
    NotFiniteError,
    extremes_are_finite,
    largest,
    require_finite,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

IGNORE_INDEX = 255
"""Label of ignored pixels in every mask that was read."""

THRESHOLDS: tuple[float, ...] = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
"""Probability thresholds of ``mae_50_95``; the first is that of ``mae_50``."""


def confusion_matrix(
    predictions: Tensor, masks: Tensor, num_classes: int, ignore_index: int = IGNORE_INDEX
) -> Tensor:
    """Return the int64 counts [C, C] of valid pixels by true class (row) and predicted (column).

    Args:
        predictions: Predicted class per pixel, integers in [0, C), any shape.
        masks: True class per pixel, same shape.
        num_classes: C.
        ignore_index: Label of ignored pixels, outside [0, C).

    Raises:
        ValueError: the shapes differ, or a label is neither a class nor ignored.
    """
    if predictions.shape != masks.shape:
        raise ValueError(
            f"predictions and masks must have the same shape, got {tuple(predictions.shape)} and "
            f"{tuple(masks.shape)}"
        )
    matrix, invalid = _confusion_counts(predictions, masks, num_classes, ignore_index)
    if invalid:
        found = int(masks[masks != ignore_index].max())
        raise ValueError(
            f"a mask holds label {found}; allowed are 0 to {num_classes - 1}, and {ignore_index} "
            "for ignored pixels"
        )
    return matrix


def _confusion_counts(
    predictions: Tensor, masks: Tensor, num_classes: int, ignore_index: int
) -> tuple[Tensor, Tensor]:
    """Return the counts [C, C] and the number of pixels with an invalid label, both int64.

    There is no synchronization with the device. ``bincount`` would need one for its size.
    """
    cells = num_classes * num_classes
    bins = torch.where(masks == ignore_index, 0, masks * num_classes + predictions + 1).flatten()
    bins.clamp_(max=cells + 1)  # the first bin counts ignored pixels, the last invalid labels
    counts = torch.zeros(cells + 2, dtype=torch.int64, device=masks.device)
    counts.index_add_(0, bins, torch.ones_like(bins[:1]).expand_as(bins))
    return counts[1:-1].reshape(num_classes, num_classes), counts[-1]


def iou_per_class(matrix: Tensor) -> Tensor:
    """Return the intersection over union of each class, float64 [C] in [0, 1].

    NaN for a class that occurs neither in the ground truth nor in the predictions.
    """
    counts = matrix.double()
    hits = counts.diagonal()
    union = counts.sum(0) + counts.sum(1) - hits
    return hits / union


def mean_iou(matrix: Tensor) -> float:
    """Return the mean over classes of the dataset-level IoU, in [0, 1], higher is better.

    The mean excludes classes that occur neither in the ground truth nor in the predictions. A class
    that is predicted but never true counts as 0. NaN without any valid pixel.
    """
    return float(iou_per_class(matrix).nanmean())


def pixel_accuracy(matrix: Tensor) -> float:
    """Return the share of correctly predicted valid pixels, in [0, 1]; NaN without any."""
    counts = matrix.double()
    return float(counts.diagonal().sum() / counts.sum())


def threshold_errors(
    probabilities: Tensor, masks: Tensor, ignore_index: int = IGNORE_INDEX
) -> Tensor:
    """Return the summed absolute error of the binarised probability maps per threshold.

    At threshold t each class's map is 1 where its probability is above t, else 0. The absolute
    error against the one-hot ground truth is summed over classes and halved. Per valid pixel it is
    0 (the true class is above t), 1/2 (no class is) or 1 (another class is). As t >= 1/2, at most
    one class is above it. So it follows from a pixel's greatest probability and that of its true
    class. A pixel with a NaN probability has the error 1 at every threshold.
    ``mae_50`` and ``mae_50_95`` are means of this error, in [0, 1], lower is better.

    Args:
        probabilities: Class probabilities [N, C, H, W] that sum to 1 over C.
        masks: True classes [N, H, W].
        ignore_index: Label of ignored pixels.

    Returns:
        Errors in half units, int64 [len(THRESHOLDS)].

    Source:
        Malyshev 2025, "mAE"; of its possible readings the one closest to the published ratio.
    """
    valid = masks != ignore_index
    true_class = torch.where(valid, masks, 0).unsqueeze(1)
    top = probabilities.amax(1)
    true = probabilities.gather(1, true_class).squeeze(1)
    true = torch.where(valid & ~top.isnan(), true, 0.0)
    top = torch.where(valid, top.nan_to_num(nan=1.0), 0.0)  # NaN: as if a wrong class were certain
    above, hits = _counts_above(top), _counts_above(true)
    return above + valid.count_nonzero() - 2 * hits


def _counts_above(values: Tensor) -> Tensor:
    """Return how many of ``values`` are above each threshold, int64 [T], without synchronization.

    Comparisons take two thirds of the time of ``bucketize`` on a CPU.
    """
    return torch.stack([(values > threshold).count_nonzero() for threshold in THRESHOLDS])


@dataclass(slots=True)
class ScoreSums:
    """Counts from which all scores of a validation pass are computed; additive over ranks."""

    num_classes: int
    """Number of classes C."""
    device: torch.device
    """Device of the counts, so that a batch needs no synchronization."""
    with_thresholds: bool = False
    """Also count the errors behind ``mae_50`` and ``mae_50_95``."""
    matrix: Tensor = field(init=False)
    """Confusion counts, int64 [C, C]."""
    errors: Tensor = field(init=False)
    """Errors per threshold in half units, int64 [T]."""
    loss: Tensor = field(init=False)
    """Sum of the loss over valid pixels, float64 scalar."""
    broken_logits: Tensor = field(init=False)
    """Batches with a logit that is not finite, int64 scalar."""
    invalid_labels: Tensor = field(init=False)
    """Pixels with a label that is neither a class nor ignored, int64 scalar."""
    broken_weights: Tensor = field(init=False)
    """1 where the model has a weight that is not finite, int64 scalar."""

    def __post_init__(self) -> None:
        """Set all counts to 0."""
        shape = (self.num_classes, self.num_classes)
        self.matrix = torch.zeros(shape, dtype=torch.int64, device=self.device)
        self.errors = torch.zeros(len(THRESHOLDS), dtype=torch.int64, device=self.device)
        self.loss = torch.zeros((), dtype=torch.float64, device=self.device)
        self.broken_logits = torch.zeros((), dtype=torch.int64, device=self.device)
        self.invalid_labels = torch.zeros((), dtype=torch.int64, device=self.device)
        self.broken_weights = torch.zeros((), dtype=torch.int64, device=self.device)

    def check_weights(self, weights: Iterable[Tensor]) -> None:
        """Count whether all ``weights`` are finite, without synchronization."""
        self.broken_weights += ~largest(weights).isfinite().to(self.device)

    def check_logits(self, logits: Tensor) -> None:
        """Count whether all ``logits`` of a batch are finite, without synchronization."""
        self.broken_logits += ~extremes_are_finite(logits)

    def add(self, logits: Tensor, masks: Tensor, loss_sum: Tensor) -> None:
        """Count one batch: logits [N, C, H, W], masks [N, H, W], loss summed over valid pixels."""
        predictions = logits.max(1).indices
        counts = _confusion_counts(predictions, masks, self.num_classes, IGNORE_INDEX)
        self.matrix += counts[0]
        self.invalid_labels += counts[1]
        self.loss += loss_sum.double()
        if self.with_thresholds:
            self.errors += threshold_errors(logits.float().softmax(1), masks)

    def empty(self) -> ScoreSums:
        """Return sums of the same kind, all 0."""
        return ScoreSums(self.num_classes, self.device, with_thresholds=self.with_thresholds)

    def merge(self, other: ScoreSums) -> None:
        """Add the sums of ``other``."""
        self.matrix += other.matrix
        self.errors += other.errors
        self.loss += other.loss
        self.broken_logits += other.broken_logits
        self.invalid_labels += other.invalid_labels
        self.broken_weights += other.broken_weights

    def packed(self) -> Tensor:
        """Return all sums as one float64 vector on the CPU (exact for counts below 2**53)."""
        counts = torch.stack(
            [self.invalid_labels, self.broken_weights, self.broken_logits]
        ).double()
        parts = [self.matrix.flatten().double(), self.errors.double(), counts]
        return torch.cat([*parts, self.loss.reshape(1)]).cpu()

    def scores(self, packed: Tensor) -> Scores:
        """Return the scores of ``packed`` sums, of one rank or the sum over several."""
        cells = self.num_classes**2
        matrix = packed[:cells].reshape(self.num_classes, self.num_classes).round().long()
        errors = packed[cells : cells + len(THRESHOLDS)] / 2
        pixels = int(matrix.sum())
        mean_errors = errors / pixels if pixels and self.with_thresholds else errors * math.nan
        return Scores(
            matrix=matrix,
            loss=float(packed[-1]) / pixels if pixels else math.nan,
            miou=mean_iou(matrix),
            pixel_accuracy=pixel_accuracy(matrix),
            iou=tuple(iou_per_class(matrix).tolist()),
            mae_50=float(mean_errors[0]),
            mae_50_95=float(mean_errors.mean()),
        )

    def require_finite(self, packed: Tensor) -> None:
        """Return if weights, logits and scores behind the ``packed`` sums are finite.

        Sums without a valid pixel have no scores and pass.

        Raises:
            NotFiniteError: they are not; on all ranks alike, as all have the same sums.
            ValueError: a label is neither a class nor ignored.
        """
        labels, weights, logits = (int(count) for count in packed[-4:-1])
        if labels:
            raise ValueError(
                f"{labels} pixel(s) of the masks have another label than 0 to "
                f"{self.num_classes - 1} and {IGNORE_INDEX} for ignored pixels"
            )
        if weights:
            raise NotFiniteError("weights of the model are not finite")
        if logits:
            raise NotFiniteError(f"logits are not finite in {logits} batch(es)")
        scores = self.scores(packed)
        if not int(scores.matrix.sum()):
            return
        figures = {
            "loss": scores.loss,
            "miou": scores.miou,
            "pixel_accuracy": scores.pixel_accuracy,
        }
        if self.with_thresholds:
            figures |= {"mae_50": scores.mae_50, "mae_50_95": scores.mae_50_95}
        require_finite(figures)


@dataclass(frozen=True, kw_only=True, slots=True)
class Scores:
    """How well a model predicts one set of images; every figure is NaN without a valid pixel."""

    matrix: Tensor
    """Confusion counts, int64 [C, C], rows the truth."""
    loss: float
    """Mean cross-entropy over valid pixels, nats."""
    miou: float
    """Mean IoU over the classes that occur in truth or predictions, [0, 1]."""
    pixel_accuracy: float
    """Share of valid pixels that are predicted correctly, [0, 1]."""
    iou: tuple[float, ...]
    """IoU per class, [0, 1]; NaN for a class in neither truth nor predictions."""
    mae_50: float
    """Mean error of maps binarised at 0.5, [0, 1]; NaN without ``with_thresholds``."""
    mae_50_95: float
    """Mean of that error over ``THRESHOLDS``, [0, 1]; NaN without ``with_thresholds``."""
