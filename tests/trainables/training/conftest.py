"""What the tests of the training loop share: a tiny network, its data, its plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn

from search_spaces.config import TrialConfig
from search_spaces.resolution import Resolution
from trainables.config import TrainingConfig
from trainables.data.dataset import build_datasets
from trainables.session.local import LocalSession
from trainables.session.ranks import Ranks
from trainables.training.loop import Trainer
from trainables.training.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from trainables.config import DataConfig


class TinyNet(nn.Module):
    """Two convolutions, optionally with BatchNorm and dropout between them."""

    def __init__(self, num_classes: int = 3, *, norm: bool = True) -> None:
        super().__init__()
        between = [nn.BatchNorm2d(8), nn.Dropout2d(0.1)] if norm else []
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1),
            *between,
            nn.ReLU(),
            nn.Conv2d(8, num_classes, 1),
        )

    def forward(self, images: Tensor) -> Tensor:
        return nn.functional.interpolate(
            self.layers(images), size=images.shape[-2:], mode="bilinear", align_corners=False
        )


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def tiny_net() -> Callable[..., TinyNet]:
    """Return a function that makes the same tiny network each time."""

    def make(*, norm: bool = True) -> TinyNet:
        torch.manual_seed(3)
        return TinyNet(norm=norm)

    return make


@pytest.fixture
def make_trainer(
    tiny_data: DataConfig, tiny_cache: Path, tiny_net: Callable[..., TinyNet], tmp_path: Path
) -> Callable[..., Trainer]:
    """Return a function that makes a trainer of the tiny network in a folder of its own."""

    def make(
        *,
        epochs: int = 2,
        folder: str = "trial",
        session: LocalSession | None = None,
        settings: TrainingConfig | None = None,
        **config: Any,
    ) -> Trainer:
        values = {"resolution": "32x48", "batch_size": 4, "learning_rate": 0.02, **config}
        trial = TrialConfig.from_mapping(values)
        datasets = build_datasets(tiny_data, Resolution(32, 48), tiny_cache, augmentation=0.5)
        plan = Plan(
            config=trial,
            settings=settings or TrainingConfig(),
            seed=5,
            epochs=epochs,
            folder=tmp_path / folder,
            metadata={"config": trial.to_mapping()},
        )
        return Trainer(
            plan, tiny_net(), datasets, session=session or LocalSession(), ranks=Ranks(0, 1)
        )

    return make
