from __future__ import annotations

import pytest
import torch
from torch import nn

from search_spaces.config import TrialConfig
from trainables.inference.trained import TrainedModel


class Tiny(nn.Module):
    """Three classes from one convolution over a stride; fast to export."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, 3, 3, stride=2, padding=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = nn.functional.interpolate(
            self.body(images), size=images.shape[-2:], mode="bilinear", align_corners=False
        )
        return logits


@pytest.fixture(scope="session")
def tiny_trained() -> TrainedModel:
    torch.manual_seed(3)
    return TrainedModel(
        module=Tiny().eval(),
        config=TrialConfig.from_mapping({"resolution": "32x48"}),
        class_names=("ground", "wall", "sky"),
        digest="0" * 64,
    )
