from __future__ import annotations

import math

import pytest
import torch

from trainables.export.verify import verify
from trainables.training.finite import NotFiniteError

IMAGE = torch.zeros(3, 2, 2)
MASK = torch.tensor([[0, 1], [1, 255]])


def _logits(classes: list[list[int]]) -> torch.Tensor:
    return torch.nn.functional.one_hot(torch.tensor(classes), 2).permute(2, 0, 1)[None].float()


def test_agreement_counts_all_pixels_and_miou_the_labelled_ones() -> None:
    right, wrong = _logits([[0, 1], [1, 0]]), _logits([[0, 1], [0, 1]])
    found = verify(lambda _: wrong, lambda _: right, [(IMAGE, MASK), (IMAGE, MASK)], 2)
    assert (found.images, found.agreement, found.largest_difference) == (2, 0.5, 1.0)
    assert found.model_miou == 1.0
    assert math.isclose(found.miou, 0.5)


def test_a_model_agrees_with_itself() -> None:
    found = verify(lambda x: x, lambda x: x, [(torch.rand(2, 4, 4), torch.zeros(4, 4).long())], 2)
    assert (found.agreement, found.largest_difference) == (1.0, 0.0)
    assert found.miou == found.model_miou


def test_agreement_is_counted_at_the_size_of_the_masks() -> None:
    logits = _logits([[0, 0], [0, 0]])
    found = verify(lambda _: logits, lambda _: logits, [(IMAGE, torch.zeros(6, 6).long())], 2)
    assert found.miou == 1.0


def test_nothing_is_verified_without_images() -> None:
    with pytest.raises(ValueError, match="got none"):
        verify(lambda x: x, lambda x: x, [], 2)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("broken", ["artifact", "trained model"])
def test_logits_that_are_not_finite_are_no_agreement(value: float, broken: str) -> None:
    sound = torch.zeros(1, 2, 2, 2)
    spoilt = sound.clone()
    spoilt[0, 1, 1, 1] = value  # of an ignored pixel
    artifact, model = (spoilt, sound) if broken == "artifact" else (sound, spoilt)
    with pytest.raises(NotFiniteError, match=f"the {broken}'s logits are not finite"):
        verify(lambda _: artifact, lambda _: model, [(IMAGE, MASK)], 2)
