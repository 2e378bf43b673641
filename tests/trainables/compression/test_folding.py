from __future__ import annotations

import pytest
import torch
from torch import nn

from search_spaces.config import TrialConfig
from trainables.compression.folding import fold_batch_norm
from trainables.models.build import build_model

IMAGES = torch.rand(2, 3, 64, 64)


def _norms(model: nn.Module) -> list[nn.BatchNorm2d]:
    return [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]


def _worn(model: nn.Module) -> nn.Module:
    """Give every BatchNorm statistics as after a training."""
    with torch.no_grad():
        for norm in _norms(model):
            for name, low, high in (("running_mean", -1, 1), ("running_var", 0.5, 2)):
                getattr(norm, name).uniform_(low, high)
            norm.weight.uniform_(0.5, 2)
            norm.bias.uniform_(-1, 1)
    return model


@pytest.mark.parametrize(
    "backbone", [pytest.param("resnet18", marks=pytest.mark.slow), "mobilenet_v3_small"]
)
def test_folded_models_compute_the_same_without_any_batch_norm(backbone: str) -> None:
    model = _worn(build_model(TrialConfig.from_mapping({"backbone": backbone}), 4)).eval()
    folded = fold_batch_norm(model, IMAGES)
    assert not _norms(folded)
    assert _norms(model)
    with torch.no_grad():
        torch.testing.assert_close(folded(IMAGES), model(IMAGES), rtol=1e-3, atol=1e-3)


def test_outputs_are_compared_without_tf32() -> None:
    class Recording(nn.Conv2d):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            used.append(torch.backends.cudnn.allow_tf32)
            return super().forward(images)

    used: list[bool] = []
    model = nn.Sequential(Recording(3, 4, 1), nn.BatchNorm2d(4)).eval()
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=True):
        assert not _norms(fold_batch_norm(model, IMAGES))
        model(IMAGES)
    assert used == [False, False, True]


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("kind", [nn.Conv2d, nn.ConvTranspose2d])
@pytest.mark.parametrize("bias", [True, False])
def test_every_kind_of_convolution_is_folded(
    kind: type[nn.Conv2d | nn.ConvTranspose2d], groups: int, *, bias: bool
) -> None:
    model = _worn(
        nn.Sequential(
            nn.Conv2d(3, 4, 1), kind(4, 8, 3, groups=groups, bias=bias), nn.BatchNorm2d(8)
        )
    ).eval()
    folded = fold_batch_norm(model, IMAGES)
    assert not _norms(folded)
    torch.testing.assert_close(folded(IMAGES), model(IMAGES), rtol=1e-4, atol=1e-4)


def test_a_subclass_of_batch_norm_is_not_folded() -> None:
    class Activating(nn.BatchNorm2d):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return super().forward(images).relu()

    model = _worn(nn.Sequential(nn.Conv2d(3, 4, 1), Activating(4))).eval()
    folded = fold_batch_norm(model, IMAGES)
    assert len(_norms(folded)) == 1
    torch.testing.assert_close(folded(IMAGES), model(IMAGES))


def test_a_model_whose_parts_run_in_another_order_is_not_folded() -> None:
    class Other(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 1)
            self.norm = nn.BatchNorm2d(3)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.conv(self.norm(images))
            return out

    model = _worn(Other()).eval()
    folded = fold_batch_norm(model, IMAGES)
    assert len(_norms(folded)) == 1
    torch.testing.assert_close(folded(IMAGES), model(IMAGES))
