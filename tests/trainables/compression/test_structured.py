from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from search_spaces.config import TrialConfig
from search_spaces.vocabulary import BUILTIN_ARCHS, PRUNING_IMPORTANCES
from trainables.compression.structured import ROUND_TO, classifiers, prune_channels
from trainables.models.build import build_model

if TYPE_CHECKING:
    from search_spaces.vocabulary import PruningImportance

CLASSES = 5


class Residual(nn.Module):
    """A stem, a residual block with a depthwise convolution, a classifier."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        self.norm = nn.BatchNorm2d(width)
        self.depthwise = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.classifier = nn.Conv2d(width, CLASSES, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        first = self.norm(self.stem(images))
        logits: torch.Tensor = self.classifier(first + self.depthwise(first))
        return logits


def _shapes(model: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def _with_gradients(model: nn.Module) -> nn.Module:
    model.eval()(torch.rand(1, 3, 64, 64)).square().mean().backward()
    return model


def test_half_of_the_channels_are_removed_but_no_class() -> None:
    model = Residual(32)
    prune_channels(model, 0.5, "magnitude")
    assert model.stem.weight.shape == (16, 3, 3, 3)
    assert model.depthwise.weight.shape == (16, 1, 3, 3)
    assert model.depthwise.groups == 16
    assert model.classifier.weight.shape == (CLASSES, 16, 1, 1)
    assert model(torch.rand(2, 3, 8, 8)).shape == (2, CLASSES, 8, 8)


def test_magnitude_keeps_the_largest_channels() -> None:
    model = Residual(32)
    with torch.no_grad():
        for layer in (model.stem, model.depthwise):
            layer.weight.copy_(torch.arange(32.0).view(-1, 1, 1, 1).expand_as(layer.weight))
        model.classifier.weight.fill_(1.0)
    prune_channels(model, 0.5, "magnitude")
    assert model.stem.weight[:, 0, 0, 0].tolist() == list(range(16, 32))


def test_bn_scale_keeps_the_channels_that_are_scaled_most() -> None:
    model = Residual(32)
    with torch.no_grad():
        model.stem.bias = nn.Parameter(torch.arange(32.0))  # names the channels
        model.norm.weight.copy_(torch.tensor([1.0, -5.0] * 16))
    prune_channels(model, 0.5, "bn_scale")
    assert model.stem.bias is not None
    assert model.stem.bias.tolist() == list(range(1, 32, 2))


def test_taylor_keeps_the_channels_that_the_loss_depends_on() -> None:
    model = Residual(32)
    with torch.no_grad():
        model.stem.bias = nn.Parameter(torch.arange(32.0))
        model.classifier.weight[:, :16] = 0.0
        model.depthwise.weight[:16] = 0.0
    _with_gradients(model)
    prune_channels(model, 0.5, "taylor")
    assert model.stem.bias is not None
    assert model.stem.bias.tolist() == list(range(16, 32))


def test_taylor_needs_gradients() -> None:
    with pytest.raises(ValueError, match="needs gradients"):
        prune_channels(Residual(), 0.5, "taylor")


@pytest.mark.parametrize("ratio", [0.0, 1.0, -0.1, float("nan")])
def test_a_ratio_outside_its_interval_is_refused(ratio: float) -> None:
    with pytest.raises(ValueError, match=r"must be in \(0, 1\)"):
        prune_channels(Residual(), ratio)


@settings(max_examples=8, deadline=None)
@given(ratio=st.floats(0.05, 0.95), width=st.integers(2, 8).map(lambda n: 8 * n))
def test_remaining_channels_are_multiples_of_8_near_the_ratio(ratio: float, width: int) -> None:
    model = Residual(width)
    prune_channels(model, ratio)
    left = model.stem.out_channels
    assert left % ROUND_TO == 0
    assert 0 < left <= width
    # A layer of which less than 8 channels would be left may stay whole.
    assert abs(left - (1 - ratio) * width) <= ROUND_TO or (1 - ratio) * width < ROUND_TO


def test_the_mode_of_every_part_stays_and_gradients_go() -> None:
    model = Residual().train()
    model.norm.eval()
    _ = [p.grad for p in model.parameters()]
    prune_channels(model, 0.5)
    assert model.training
    assert model.stem.training
    assert not model.norm.training
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize(
    "arch",
    [
        pytest.param(arch, marks=[] if arch == "lraspp" else [pytest.mark.slow])
        for arch in BUILTIN_ARCHS
    ],
)
def test_the_shape_is_known_before_any_training(arch: str) -> None:
    config = TrialConfig.from_mapping({"arch": arch})
    with torch.device("meta"):
        expected = build_model(config, CLASSES)
    prune_channels(expected, 0.25)
    for importance in ("bn_scale", "taylor"):
        model = _with_gradients(build_model(config, CLASSES))
        prune_channels(model, 0.25, importance)
        assert _shapes(model) == _shapes(expected)


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ["resnet18", "mobilenet_v2", "mobilenet_v3_large"])
@pytest.mark.parametrize("arch", BUILTIN_ARCHS)
@pytest.mark.parametrize("importance", PRUNING_IMPORTANCES)
def test_every_architecture_runs_with_half_of_its_channels(
    arch: str, backbone: str, importance: PruningImportance
) -> None:
    model = build_model(TrialConfig.from_mapping({"arch": arch, "backbone": backbone}), CLASSES)
    before = sum(parameter.numel() for parameter in model.parameters())
    prune_channels(_with_gradients(model), 0.5, importance)
    assert sum(parameter.numel() for parameter in model.parameters()) < 0.3 * before
    assert model.eval()(torch.rand(1, 3, 64, 96)).shape == (1, CLASSES, 64, 96)


def test_the_classifier_is_found_by_name_and_as_the_last_layer() -> None:
    model = build_model(TrialConfig(), CLASSES)
    assert [getattr(layer, "out_channels", None) for layer in classifiers(model)] == [CLASSES]
