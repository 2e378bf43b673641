from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from search_spaces.config import TrialConfig
from search_spaces.resolution import Resolution
from search_spaces.vocabulary import ARCHS, BUILTIN_ARCHS, SMALLEST_SIDES
from trainables.cost.macs import count_params, static_costs
from trainables.io.extras import MissingExtraError
from trainables.models.build import build_model

if TYPE_CHECKING:
    from pathlib import Path

    from search_spaces.vocabulary import Arch, Backbone

LIBRARY_ARCHS = [arch for arch in ARCHS if arch not in BUILTIN_ARCHS]
pytestmark = pytest.mark.slow  # importing the library takes five seconds


@pytest.fixture(autouse=True)
def library() -> None:
    """Skip where the library is missing; importing it takes seconds."""
    pytest.importorskip("segmentation_models_pytorch", reason="an optional library")


def _config(arch: str, backbone: Backbone = "resnet18", **other: object) -> TrialConfig:
    values = {"arch": arch, "backbone": backbone, "resolution": "64x96", **other}
    return TrialConfig.from_mapping(values)


@pytest.mark.parametrize("arch", LIBRARY_ARCHS)
@pytest.mark.parametrize("backbone", ["mobilenet_v3_small", "timm/resnet10t", "smp/mit_b0"])
def test_an_architecture_trains_or_raises_with_a_reason(arch: Arch, backbone: str) -> None:
    torch.manual_seed(0)
    least = SMALLEST_SIDES.get(arch, 64)
    height, width = least, least + 32
    config = _config(arch, backbone, resolution=f"{height}x{width}")
    try:
        model = build_model(config, 5)
    except ValueError as error:
        assert (arch, backbone) in {
            ("smp/Linknet", "smp/mit_b0"),
            ("smp/UnetPlusPlus", "smp/mit_b0"),
        }
        assert f"cannot build {arch} on {backbone}: " in str(error)  # noqa: PT017
        return
    images = torch.rand(2, 3, height, width)
    logits = model.train()(images)
    assert logits.shape == (2, 5, height, width)
    labels = torch.zeros(2, height, width, dtype=torch.int64)
    functional.cross_entropy(logits, labels).backward()  # type: ignore[no-untyped-call]
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
    with torch.inference_mode():
        coarse, full = model.eval().coarse_logits(images), model(images)
    assert coarse.shape[-1] <= full.shape[-1]
    enlarged = functional.interpolate(
        coarse, size=(height, width), mode="bilinear", align_corners=False
    )
    torch.testing.assert_close(enlarged, full)
    assert static_costs(config, 5)["params"] == count_params(model)


def test_segformer_costs_more_on_larger_images() -> None:
    configs = [
        _config("smp/Segformer", "smp/mit_b0", resolution=size) for size in ("64x64", "128x128")
    ]
    small, large = (static_costs(config, 21)["macs"] for config in configs)
    assert large > 4 * small  # attention grows faster than the number of pixels


def test_dropout_and_the_momentum_are_the_configurations() -> None:
    model = build_model(_config("smp/Unet", "mobilenet_v3_small", dropout=0.4), 5)
    assert [m.p for m in model.head.modules() if isinstance(m, nn.Dropout)][-1] == 0.4
    assert {m.momentum for m in model.modules() if isinstance(m, nn.BatchNorm2d)} == {0.1}


def test_unsupported_networks_of_the_library_raise() -> None:
    with pytest.raises(ValueError, match="cannot build smp/Unet on timm/no_such_net"):
        build_model(_config("smp/Unet", "timm/no_such_net"), 5)
    with pytest.raises(ValueError, match=r"cannot build smp/PAN on vgg16: .*dilated"):
        build_model(_config("smp/PAN", "vgg16", resolution="128x160"), 5)


def test_weights_of_a_file_are_loaded_into_the_encoder(tmp_path: Path) -> None:
    source = build_model(_config("smp/Unet"), 5)
    state = {name: value.clone() for name, value in source.backbone.state_dict().items()}
    save_file(state, tmp_path / "resnet18.safetensors")
    model = build_model(_config("smp/FPN"), 3, weights=tmp_path)
    loaded = model.backbone.state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in state.items())
    with pytest.raises(ValueError, match="give a file with the state of resnet18"):
        build_model(_config("smp/FPN"), 3, weights="torchvision")


def test_a_missing_library_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", None)
    with pytest.raises(MissingExtraError, match="install segsweep's extra 'architectures'"):
        build_model(_config("smp/Unet"), 5)


def test_resolutions_of_the_library_are_multiples_of_32() -> None:
    assert TrialConfig(arch="smp/Unet", resolution=Resolution(96, 128)).output_stride is None
    with pytest.raises(ValueError, match="does not fit an output stride of 32"):
        TrialConfig(arch="smp/Unet", resolution=Resolution(48, 64))
