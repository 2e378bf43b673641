from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor, nn

from search_spaces.config import Resolution
from trainables.data.dataset import build_datasets
from trainables.local_session import LocalSession
from trainables.training.batches import OrderedBatches, make_loader
from trainables.training.compute import Compute
from trainables.training.evaluation import TrialStoppedError, evaluate
from trainables.training.ranks import Ranks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from trainables.config import DataConfig
    from trainables.training.metrics import Scores

CPU = torch.device("cpu")


class Oracle(nn.Module):
    """Tells the classes of the tiny data set by their colours."""

    def forward(self, images: Tensor) -> Tensor:
        redness = images[:, 0] - images[:, 2]
        return torch.stack([-10 * (redness - hue).abs() for hue in (-0.3, 2.4, -3.3)], dim=1)


@pytest.fixture
def scores(tiny_data: DataConfig, tiny_cache: Path) -> Callable[..., Scores]:
    def run(
        model: nn.Module, *, session: LocalSession | None = None, masks: Resolution | None = None
    ) -> Scores:
        size = Resolution(32, 48)
        _, val = build_datasets(tiny_data, size, tiny_cache, mask_resolution=masks)
        return evaluate(
            model,
            make_loader(val, OrderedBatches(len(val)), workers=0, device=CPU),
            val.num_classes,
            compute=Compute(device=CPU),
            session=session or LocalSession(),
            ranks=Ranks(0, 1),
            with_thresholds=True,
        )

    return run


def test_a_model_that_knows_scores_high_and_one_that_guesses_low(
    scores: Callable[..., Scores], tiny_net: Callable[..., nn.Module]
) -> None:
    knows, guesses = scores(Oracle()), scores(tiny_net())
    assert knows.miou > 0.9
    assert guesses.miou < 0.5
    assert knows.mae_50_95 < 0.1 < guesses.mae_50
    # Two rows of five pixels of each image are ignored.
    assert int(knows.matrix.sum()) == 4 * (32 * 48 - 2 * 5)


def test_masks_may_be_of_another_size(scores: Callable[..., Scores]) -> None:
    larger = scores(Oracle(), masks=Resolution(64, 96))
    assert int(larger.matrix.sum()) == 4 * 4 * (32 * 48 - 2 * 5)
    assert larger.miou == pytest.approx(scores(Oracle()).miou, abs=0.05)


def test_a_batch_that_does_not_fit_is_counted_once(scores: Callable[..., Scores]) -> None:
    class Small(Oracle):
        def forward(self, images: Tensor) -> Tensor:
            if len(images) > 1:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return super().forward(images)

    small, whole = scores(Small()), scores(Oracle())
    assert torch.equal(small.matrix, whole.matrix)
    assert small.loss == pytest.approx(whole.loss)


def test_the_loss_is_the_mean_over_valid_pixels(scores: Callable[..., Scores]) -> None:
    class Uniform(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images.new_zeros(len(images), 3, *images.shape[-2:])

    assert scores(Uniform()).loss == pytest.approx(math.log(3), rel=1e-5)


def test_it_ends_when_asked_to(scores: Callable[..., Scores]) -> None:
    with pytest.raises(TrialStoppedError):
        scores(Oracle(), session=LocalSession(stop=lambda: True))


def test_an_error_of_the_model_comes_through(scores: Callable[..., Scores]) -> None:
    class Broken(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            raise KeyError(str(images.shape))

    with pytest.raises(KeyError):
        scores(Broken())
