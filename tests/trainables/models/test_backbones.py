from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision.models import get_model

from trainables.models.backbones import FeatureExtractor, build_backbone

if TYPE_CHECKING:
    from pathlib import Path

    from search_spaces.vocabulary import Backbone

# name, last expansion, channels of the low-level and the high-level map, stride of the former
VARIANTS: list[tuple[Backbone, bool | None, int, int, int]] = [
    ("resnet50", None, 256, 2048, 4),
    ("resnet18", None, 64, 512, 4),
    ("mobilenet_v2", None, 24, 320, 4),
    ("mobilenet_v3_large", True, 40, 960, 8),
    ("mobilenet_v3_large", False, 40, 160, 8),
    ("mobilenet_v3_small", True, 24, 576, 8),
    ("mobilenet_v3_small", False, 24, 96, 8),
]


STRIDES = (8, 16, 32)
# The fast layer sees every variant once, with alternating strides.
CASES = [
    pytest.param(*variant, stride, marks=[] if i % 3 == j else [pytest.mark.slow])
    for i, variant in enumerate(VARIANTS)
    for j, stride in enumerate(STRIDES)
]


@pytest.mark.parametrize(("name", "expansion", "low", "high", "low_stride", "output_stride"), CASES)
def test_both_maps_have_the_stated_channels_and_strides(
    *,
    name: Backbone,
    expansion: bool | None,
    low: int,
    high: int,
    low_stride: int,
    output_stride: int,
) -> None:
    with torch.device("meta"):
        backbone = build_backbone(name, output_stride=output_stride, last_expansion=expansion)
        low_map, high_map = backbone.eval()(torch.empty(1, 3, 96, 160))
    assert low_map.shape == (1, low, 96 // low_stride, 160 // low_stride)
    assert high_map.shape == (1, high, 96 // output_stride, 160 // output_stride)
    assert (backbone.low_channels, backbone.high_channels) == (low, high)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("mobilenet_v2", 16, 160), ("mobilenet_v3_large", 24, 480), ("mobilenet_v3_small", 16, 288)],
)
def test_the_width_multiplies_all_channels(name: Backbone, low: int, high: int) -> None:
    with torch.device("meta"):
        backbone = build_backbone(name, output_stride=16, width=0.5)
        low_map, high_map = backbone.eval()(torch.empty(1, 3, 64, 64))
    assert (low_map.shape[1], high_map.shape[1]) == (low, high)
    assert (backbone.low_channels, backbone.high_channels) == (low, high)


def test_batch_norm_follows_the_weights_within_a_short_run() -> None:
    with torch.device("meta"):
        backbone = build_backbone("mobilenet_v3_small", output_stride=16)
    norms = [m for m in backbone.modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms
    assert {(norm.momentum, norm.eps) for norm in norms} == {(0.1, 1e-3)}


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_local_weights_are_loaded_without_their_classifier(tmp_path: Path, suffix: str) -> None:
    state = get_model("mobilenet_v3_small", weights=None).state_dict()
    state = {key: value for key, value in state.items() if "classifier" not in key}
    file = tmp_path / f"weights{suffix}"
    if suffix == ".pth":
        torch.save(state, file)
    else:
        save_file(state, file)
    backbone = build_backbone("mobilenet_v3_small", output_stride=8, weights=file)
    assert torch.equal(_first(backbone).weight, state["features.0.0.weight"])
    assert _count(backbone) == sum(v.numel() for k, v in state.items() if _is_weight(k))


def test_weights_of_another_network_raise(tmp_path: Path) -> None:
    file = tmp_path / "weights.pth"
    torch.save({"features.0.0.weight": torch.zeros(16, 3, 3, 3)}, file)
    with pytest.raises(ValueError, match=r"does not fit resnet18.*torchvision"):
        build_backbone("resnet18", output_stride=8, weights=file)
    torch.save({"conv1.weight": torch.zeros(16, 3, 3, 3)}, file)
    with pytest.raises(ValueError, match="does not fit resnet18"):
        build_backbone("resnet18", output_stride=8, weights=file)


def test_a_file_that_would_run_code_raises(tmp_path: Path) -> None:
    file = tmp_path / "weights.pth"
    file.write_bytes(pickle.dumps({"conv1.weight": _Reduces(tmp_path / "ran")}, protocol=2))
    with pytest.raises(ValueError, match="not a readable file of tensors"):
        build_backbone("resnet18", output_stride=8, weights=file)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_truncated_file_raises(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"weights{suffix}"
    file.write_bytes(b"\x08")
    with pytest.raises(ValueError, match="not a readable file of tensors"):
        build_backbone("resnet18", output_stride=8, weights=file)


def test_invalid_options_raise() -> None:
    with pytest.raises(ValueError, match=r"'vgg16' is unknown; there are resnet50"):
        build_backbone("vgg16", output_stride=8)
    with pytest.raises(ValueError, match="8, 16 or 32, got 4"):
        build_backbone("resnet18", output_stride=4)
    with pytest.raises(ValueError, match="resnet18 has no last expansion"):
        build_backbone("resnet18", output_stride=8, last_expansion=False)
    with pytest.raises(ValueError, match=r"resnet18 has no width.*mobilenet_v2"):
        build_backbone("resnet18", output_stride=8, width=0.5)


class _Reduces:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.path), "w")


def _first(backbone: FeatureExtractor) -> nn.Conv2d:
    return next(module for module in backbone.modules() if isinstance(module, nn.Conv2d))


def _count(backbone: FeatureExtractor) -> int:
    return sum(parameter.numel() for parameter in backbone.parameters())


def _is_weight(key: str) -> bool:
    return key.endswith((".weight", ".bias"))
