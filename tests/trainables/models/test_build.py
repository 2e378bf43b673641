from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

import pytest
import torch
from torch.nn import functional

from search_spaces.config import TrialConfig
from search_spaces.resolution import Resolution
from search_spaces.vocabulary import BACKBONES, STRIDED_ARCHS
from trainables.models.backbones import DILATED
from trainables.models.build import SegmentationModel, build_model

if TYPE_CHECKING:
    from search_spaces.vocabulary import Arch, Backbone

CLASSES = 5
EXPANSIONS: dict[str, tuple[bool | None, ...]] = {
    "mobilenet_v3_large": (True, False),
    "mobilenet_v3_small": (True, False),
}
HEAVY = {("deconvnet", "vgg16"), ("deconvnet", "resnet50")}
FAMILIES = [
    (arch, backbone, expansion)
    for arch, backbone in [
        *product(STRIDED_ARCHS, DILATED),
        *(("deconvnet", backbone) for backbone in BACKBONES),
    ]
    for expansion in EXPANSIONS.get(backbone, (None,))
]
# Odd multiples of the stride, each family at one of them. The fast layer sees every backbone once,
# with alternating heads.
SIZES = {8: Resolution(40, 24), 16: Resolution(48, 80), 32: Resolution(96, 32)}
CASES = [
    pytest.param(
        *(arch, backbone, expansion, 32 if arch == "deconvnet" else tuple(SIZES)[i % 3]),
        marks=[pytest.mark.slow] if i % 2 or (arch, backbone) in HEAVY else [],
    )
    for i, (arch, backbone, expansion) in enumerate(FAMILIES)
]


def _config(*, arch: Arch, backbone: Backbone, expansion: bool | None, stride: int) -> TrialConfig:
    return TrialConfig(
        arch=arch,
        backbone=backbone,
        last_expansion=expansion,
        output_stride=None if arch == "deconvnet" else stride,
        resolution=SIZES[stride],
    )


@pytest.mark.parametrize(("arch", "backbone", "expansion", "stride"), CASES)
def test_every_family_returns_logits_and_gradients(
    *, arch: Arch, backbone: Backbone, expansion: bool | None, stride: int
) -> None:
    torch.manual_seed(0)
    config = _config(arch=arch, backbone=backbone, expansion=expansion, stride=stride)
    model = build_model(config, CLASSES)
    size = (config.resolution.height, config.resolution.width)
    _trains_on_a_single_image(model, torch.rand(1, 3, *size))
    _evaluates_the_same_twice(model, torch.rand(2, 3, *size))


def _trains_on_a_single_image(model: SegmentationModel, image: torch.Tensor) -> None:
    logits = model.train()(image)
    assert logits.shape == (1, CLASSES, *image.shape[-2:])
    labels = torch.randint(CLASSES, (1, *image.shape[-2:]))
    functional.cross_entropy(logits, labels).backward()  # type: ignore[no-untyped-call]
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


def _evaluates_the_same_twice(model: SegmentationModel, images: torch.Tensor) -> None:
    model.eval()
    with torch.inference_mode():
        first, second, alone = model(images), model(images), model(images[:1])
    assert first.shape == (2, CLASSES, *images.shape[-2:])
    assert torch.isfinite(first).all()
    assert torch.equal(first, second)
    torch.testing.assert_close(alone, first[:1], rtol=1e-3, atol=1e-3)


def test_the_mirror_of_vgg_unpools_with_the_encoders_indices() -> None:
    with torch.device("meta"):
        model = build_model(TrialConfig(arch="deconvnet", backbone="vgg16"), CLASSES).eval()
        assert model.coarse_logits(torch.empty(1, 3, 70, 101)).shape == (1, CLASSES, 70, 101)


@pytest.mark.parametrize("arch", [*STRIDED_ARCHS, "deconvnet"])
def test_width_scales_the_input_of_every_head(arch: Arch) -> None:
    config = TrialConfig(arch=arch, backbone="mobilenet_v3_small", width=0.5)
    with torch.device("meta"):
        model = build_model(config, CLASSES).eval()
        low, high = model.backbone(torch.empty(1, 3, 64, 64))
        assert (low.shape[1], high.shape[1]) == (16, 288)
        assert model.head(low, high).shape[:2] == (1, CLASSES)


def test_logits_have_the_size_of_images_of_any_size() -> None:
    with torch.device("meta"):
        model = build_model(TrialConfig(), CLASSES).eval()
        assert model(torch.empty(1, 3, 53, 71)).shape == (1, CLASSES, 53, 71)


def test_coarse_logits_precede_the_last_upsampling() -> None:
    torch.manual_seed(0)
    model = build_model(TrialConfig(backbone="mobilenet_v2"), CLASSES).eval()
    images = torch.rand(1, 3, 32, 48)
    with torch.inference_mode():
        coarse, full = model.coarse_logits(images), model(images)
    assert coarse.shape == (1, CLASSES, 8, 12)
    enlarged = functional.interpolate(coarse, size=(32, 48), mode="bilinear", align_corners=False)
    torch.testing.assert_close(enlarged, full)


def test_the_seed_decides_the_weights() -> None:
    states = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        states.append(build_model(TrialConfig(), CLASSES).state_dict())
    key = "head.classifier.weight"
    assert torch.equal(states[0][key], states[1][key])
    assert not torch.equal(states[0][key], states[2][key])


def test_invalid_models_raise() -> None:
    with pytest.raises(ValueError, match="num_classes must be at least 1, got 0"):
        build_model(TrialConfig(), 0)
    config = replace(TrialConfig())
    object.__setattr__(config, "arch", "unet")
    with pytest.raises(ValueError, match=r"'unet' is unknown; there are deeplabv3"):
        build_model(config, CLASSES)
