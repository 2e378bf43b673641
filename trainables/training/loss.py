"""Losses over valid pixels, hard and soft."""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812 - the name everyone knows
from torch import Tensor

from trainables.training.metrics import IGNORE_INDEX


def segmentation_loss_sum(
    logits: Tensor,
    masks: Tensor,
    *,
    teacher_logits: Tensor | None = None,
    alpha: float = 0.0,
    temperature: float = 1.0,
    ignore_index: int = IGNORE_INDEX,
) -> Tensor:
    """Return ``alpha * T**2 * soft + (1 - alpha) * hard``, summed over valid pixels: a scalar.

    ``hard`` is the cross-entropy with the mask. ``soft`` is the Kullback-Leibler divergence of the
    student's softened class distribution from the teacher's. The result is a sum: those of
    micro-batches and ranks add up to the loss of the whole batch. It is 0 where all pixels are
    ignored.

    Args:
        logits: The student's, [N, C, H, W].
        masks: True classes, int64 [N, H, W].
        teacher_logits: The teacher's, [N, C, h, w] of any size; None where alpha is 0.
        alpha: Weight of the soft loss, [0, 1].
        temperature: T > 0 that softens both distributions.
        ignore_index: Label of pixels without loss, hard or soft.

    Raises:
        ValueError: alpha is above 0 and there are no teacher logits.

    Source:
        Hinton et al. 2015 for the softened divergence and its factor T**2.
    """
    if alpha > 0 and teacher_logits is None:
        raise ValueError(
            f"distill_alpha={alpha} needs the teacher's soft labels; give the sweep a teacher or "
            "set distill_alpha to 0"
        )
    hard = F.cross_entropy(logits, masks, ignore_index=ignore_index, reduction="sum")
    if alpha <= 0 or teacher_logits is None:
        return hard
    soft = soft_loss_sum(logits, teacher_logits, masks, temperature, ignore_index)
    return alpha * temperature**2 * soft + (1 - alpha) * hard


def soft_loss_sum(
    logits: Tensor,
    teacher_logits: Tensor,
    masks: Tensor,
    temperature: float,
    ignore_index: int = IGNORE_INDEX,
) -> Tensor:
    """Return KL(teacher || student) of the softened distributions, summed over valid pixels.

    Teacher logits of another size are interpolated bilinearly to the student's.

    Raises:
        ValueError: the temperature is not above 0, or the class counts differ.
    """
    if not temperature > 0:
        raise ValueError(f"temperature must be above 0, got {temperature}")
    if teacher_logits.shape[1] != logits.shape[1]:
        raise ValueError(
            f"teacher and student must have the same classes, got {teacher_logits.shape[1]} and "
            f"{logits.shape[1]}"
        )
    teacher_logits = resize_logits(teacher_logits.to(logits.dtype), masks.shape[-2:])
    student = F.log_softmax(logits / temperature, dim=1)
    teacher = F.log_softmax(teacher_logits / temperature, dim=1)
    divergence = F.kl_div(student, teacher, reduction="none", log_target=True).sum(1)
    return divergence.masked_fill(masks == ignore_index, 0.0).sum()


def resize_logits(logits: Tensor, size: tuple[int, ...]) -> Tensor:
    """Return logits [N, C, h, w] at ``size`` (H, W), bilinear; the same tensor if they have it."""
    if tuple(logits.shape[-2:]) == tuple(size):
        return logits
    return F.interpolate(logits, size=tuple(size), mode="bilinear", align_corners=False)
