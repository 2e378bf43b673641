from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from search_spaces.config import TrialConfig
from search_spaces.resolution import Resolution
from trainables.compression.stages import Stage
from trainables.data.dataset import build_datasets
from trainables.training.compressing import calibration_batches, change_model, plain_state
from trainables.training.compute import Compute

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import nn

    from trainables.config import DataConfig
    from trainables.data.dataset import SegmentationDataset


def train_data(data: DataConfig, cache: Path) -> SegmentationDataset:
    return build_datasets(data, Resolution(32, 48), cache, augmentation=0.5)[0]


def test_calibration_images_are_not_augmented(tiny_data: DataConfig, tiny_cache: Path) -> None:
    train = train_data(tiny_data, tiny_cache)
    first, again = calibration_batches(train), calibration_batches(train)
    assert sum(map(len, first)) == len(train)
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))


def test_the_plain_state_is_a_copy(tiny_net: Callable[..., nn.Module]) -> None:
    model = tiny_net()
    state = plain_state(model)
    before = {name: value.clone() for name, value in state.items()}
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1)
    assert all(torch.equal(state[name], value) for name, value in before.items())


def test_pruned_weights_stay_zero_and_leave_no_mask_in_the_plain_state(
    tiny_net: Callable[..., nn.Module], tiny_data: DataConfig, tiny_cache: Path
) -> None:
    config = TrialConfig(pruning="unstructured", pruning_ratio=0.5)
    model = tiny_net()
    names = set(model.state_dict())
    train, compute = train_data(tiny_data, tiny_cache), Compute(device=torch.device("cpu"))
    changed = change_model(Stage("prune", 0), model, config, train, compute)
    state = plain_state(changed)
    assert set(state) == names
    zeros = sum(int((value == 0).sum()) for name, value in state.items() if value.ndim == 4)
    size = sum(value.numel() for value in state.values() if value.ndim == 4)
    assert abs(zeros / size - 0.5) < 0.05
