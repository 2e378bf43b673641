from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from trainables.training.loss import resize_logits, segmentation_loss_sum, soft_loss_sum


def batch(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Return student logits, masks with ignored pixels, teacher logits of half the size."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(4, 3, 6, 8, generator=generator)
    masks = torch.randint(0, 3, (4, 6, 8), generator=generator)
    masks[torch.rand(4, 6, 8, generator=generator) < 0.3] = 255
    return logits, masks, torch.randn(4, 3, 3, 4, generator=generator)


def test_the_hard_loss_is_the_mean_cross_entropy_of_valid_pixels() -> None:
    logits, masks, _ = batch()
    valid = int((masks != 255).sum())
    expected = functional.cross_entropy(logits, masks, ignore_index=255)
    assert float(segmentation_loss_sum(logits, masks)) / valid == pytest.approx(float(expected))


def test_a_batch_without_a_valid_pixel_has_loss_and_gradient_zero() -> None:
    logits, masks, teacher = batch()
    logits.requires_grad_()
    loss = segmentation_loss_sum(
        logits, torch.full_like(masks, 255), teacher_logits=teacher, alpha=0.5, temperature=2.0
    )
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(loss.detach()) == 0
    assert logits.grad is not None
    assert torch.equal(logits.grad, torch.zeros_like(logits))


@given(st.integers(0, 1000), st.floats(0.5, 8))
@settings(max_examples=20)
def test_the_soft_loss_is_the_divergence_pixel_by_pixel(seed: int, temperature: float) -> None:
    logits, masks, teacher = batch(seed)
    upscaled = functional.interpolate(teacher, (6, 8), mode="bilinear", align_corners=False)
    p = (upscaled.double() / temperature).softmax(1)
    q = (logits.double() / temperature).softmax(1)
    divergence = (p * (p.log() - q.log())).sum(1)
    expected = float(divergence[masks != 255].sum())
    found = float(soft_loss_sum(logits, teacher, masks, temperature))
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-4)
    assert found >= -1e-4


def test_a_student_that_equals_its_teacher_has_no_soft_loss() -> None:
    logits, masks, _ = batch()
    assert float(soft_loss_sum(logits, logits, masks, 4.0)) == pytest.approx(0, abs=1e-5)


def test_alpha_weighs_soft_times_temperature_squared_against_hard() -> None:
    logits, masks, teacher = batch()
    hard = float(segmentation_loss_sum(logits, masks))
    soft = float(soft_loss_sum(logits, teacher, masks, 3.0))
    for alpha in (0.25, 1.0):
        found = segmentation_loss_sum(
            logits, masks, teacher_logits=teacher, alpha=alpha, temperature=3.0
        )
        assert float(found) == pytest.approx(alpha * 9 * soft + (1 - alpha) * hard, rel=1e-5)


def test_teacher_logits_may_be_half_precision() -> None:
    logits, masks, teacher = batch()
    half = soft_loss_sum(logits, teacher.half(), masks, 2.0)
    assert half.dtype == torch.float32
    assert float(half) == pytest.approx(float(soft_loss_sum(logits, teacher, masks, 2.0)), rel=1e-2)


def test_the_losses_of_micro_batches_add_up() -> None:
    logits, masks, teacher = batch()

    def loss(part: slice) -> float:
        return float(
            segmentation_loss_sum(
                logits[part], masks[part], teacher_logits=teacher[part], alpha=0.5, temperature=2.0
            )
        )

    assert loss(slice(0, 1)) + loss(slice(1, 4)) == pytest.approx(loss(slice(0, 4)), rel=1e-5)


def test_impossible_arguments_are_refused() -> None:
    logits, masks, teacher = batch()
    with pytest.raises(ValueError, match="needs the teacher's soft labels"):
        segmentation_loss_sum(logits, masks, alpha=0.5)
    for temperature in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="temperature must be above 0"):
            soft_loss_sum(logits, teacher, masks, temperature)
    with pytest.raises(ValueError, match="same classes, got 2 and 3"):
        soft_loss_sum(logits, teacher[:, :2], masks, 1.0)


def test_logits_of_the_right_size_are_not_copied() -> None:
    logits, _, _ = batch()
    assert resize_logits(logits, (6, 8)) is logits
    assert resize_logits(logits, (12, 16)).shape == (4, 3, 12, 16)
