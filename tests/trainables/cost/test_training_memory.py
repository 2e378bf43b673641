from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from search_spaces.config import TrialConfig
from search_spaces.resolution import Resolution
from trainables.cost.training_memory import training_memory_mb

if TYPE_CHECKING:
    from search_spaces.vocabulary import Arch

SMALL = TrialConfig(
    arch="deeplabv3", backbone="mobilenet_v3_small", output_stride=32, resolution=Resolution(64, 96)
)


def test_memory_grows_with_images_by_the_same_step() -> None:
    one, two, three = (training_memory_mb(SMALL, 8, images) for images in (1, 2, 3))
    assert one < two < three
    assert three - two == pytest.approx(two - one)


def test_activations_grow_with_the_area_of_the_image() -> None:
    def per_image(config: TrialConfig) -> float:
        return training_memory_mb(config, 8, 2) - training_memory_mb(config, 8, 1)

    twice = replace(SMALL, resolution=Resolution(128, 192))
    assert per_image(twice) == pytest.approx(4 * per_image(SMALL), rel=0.1)


def test_an_optimizer_with_less_state_takes_less() -> None:
    assert training_memory_mb(replace(SMALL, optimizer="sgd"), 8, 2) < training_memory_mb(
        replace(SMALL, optimizer="adamw"), 8, 2
    )


@pytest.mark.slow
def test_a_real_training_step_takes_about_the_estimate() -> None:
    import torch

    from trainables.cost.memory import PeakMemory
    from trainables.models.build import build_model

    config = TrialConfig(
        arch="deeplabv3", backbone="mobilenet_v2", output_stride=32, resolution=Resolution(128, 192)
    )
    model = build_model(config, 8).train()
    optimizer = torch.optim.AdamW(model.parameters())
    with PeakMemory(torch.device("cpu")) as memory:
        for _ in range(2):
            model(torch.randn(8, 3, 128, 192)).mean().backward()
            optimizer.step()
    assert memory.mb is not None
    weights = 4 * sum(parameter.numel() for parameter in model.parameters()) / 1e6
    assert 0.7 < (memory.mb + weights) / training_memory_mb(config, 8, 8) < 2


@pytest.mark.parametrize("arch", ["deeplabv3", "lraspp"])
def test_autocast_saves_16_bits_and_a_copy_of_the_weights(arch: Arch) -> None:
    """Against the tensors that autograd saves under CPU autocast."""
    import torch
    from torch.autograd.graph import saved_tensors_hooks

    from trainables.models.build import build_model

    config = replace(SMALL, arch=arch)
    model = build_model(config, 8).train()
    weights = {id(parameter) for parameter in model.parameters()}
    saved: dict[int, torch.Tensor] = {}

    def save(tensor: torch.Tensor) -> torch.Tensor:
        base = tensor if tensor._base is None else tensor._base
        if id(base) not in weights:
            saved[base.untyped_storage().data_ptr()] = base
        return tensor

    with (
        saved_tensors_hooks(save, lambda tensor: tensor),
        torch.autocast("cpu", dtype=torch.bfloat16),
    ):
        model(torch.randn(2, 3, 64, 96))
    measured = sum(tensor.untyped_storage().nbytes() for tensor in saved.values()) / 1e6
    states = 16 * sum(parameter.numel() for parameter in model.parameters()) / 1e6
    estimated = training_memory_mb(config, 8, 2, half=True)
    assert measured == pytest.approx(estimated - states, rel=0.06)
    assert estimated < training_memory_mb(config, 8, 2) + states / 8
