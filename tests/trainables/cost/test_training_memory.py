from __future__ import annotations

from dataclasses import replace

import pytest

from search_spaces.config import TrialConfig
from search_spaces.resolution import Resolution
from trainables.cost.training_memory import training_memory_mb

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
