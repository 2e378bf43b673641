from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

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


class RoundedConvolutions(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Rounds the float32 inputs of convolutions to 10 bits of mantissa, as TF32 does."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if "convolution" in str(func):
            args = (rounded(args[0]), rounded(args[1]), *args[2:])
        return func(*args, **(kwargs or {}))


def rounded(values: torch.Tensor) -> torch.Tensor:
    if values.dtype != torch.float32:
        return values
    return ((values.contiguous().view(torch.int32) + 0x1000) & ~0x1FFF).view(torch.float32)


def test_tf32_does_not_keep_batch_norms_from_being_folded() -> None:
    torch.manual_seed(0)
    config = TrialConfig.from_mapping({"arch": "lraspp", "backbone": "mobilenet_v2"})
    model = _worn(build_model(config, 4))
    for norm in _norms(model):
        norm.momentum = None  # the statistics become those of the images
        norm.reset_running_stats()
    model.train()(IMAGES)
    model.eval()
    with RoundedConvolutions():  # type: ignore[no-untyped-call]
        folded = fold_batch_norm(model, IMAGES)
        with torch.no_grad():
            before, after = model(IMAGES), folded(IMAGES)
    assert not _norms(folded)
    assert float((before - after).abs().max() / before.abs().max()) > 1e-3  # too far apart in TF32


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
