from __future__ import annotations

import logging
import warnings
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn
from torchvision.models.segmentation import lraspp_mobilenet_v3_large

from search_spaces.config import TrialConfig
from search_spaces.resolution import Resolution
from search_spaces.vocabulary import STRIDED_ARCHS
from trainables.compression.deployed import build_pruned
from trainables.cost.macs import count_macs, count_params, static_costs
from trainables.models.backbones import DILATED
from trainables.models.build import build_model

if TYPE_CHECKING:
    from search_spaces.vocabulary import Arch, Backbone


class _Logits(nn.Module):
    """torchvision's segmentation model without its dictionary."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.model(images)["out"]  # type: ignore[no-any-return]


SIZE = Resolution(20, 12)
STRIDES = (8, 16, 32)


@pytest.mark.parametrize(
    ("layer", "macs"),
    [
        (nn.Conv2d(3, 8, 3, padding=1), 20 * 12 * 8 * 3 * 9),
        (nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False), 10 * 6 * 8 * 3 * 9),
        (nn.Conv2d(3, 8, 3, padding=4, dilation=4), 20 * 12 * 8 * 3 * 9),
        (nn.Conv2d(3, 6, 5, padding=2, groups=3), 20 * 12 * 6 * 1 * 25),
        (nn.ConvTranspose2d(3, 8, 4, stride=2, padding=1), 20 * 12 * 3 * 8 * 16),
        (nn.Linear(12, 7), 3 * 20 * 12 * 7),
        (nn.BatchNorm2d(3), 0),
        (nn.Upsample(scale_factor=2, mode="bilinear"), 0),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_each_layer_costs_what_its_formula_gives(layer: nn.Module, macs: int) -> None:
    assert count_macs(layer, SIZE) == macs


@pytest.mark.parametrize(
    ("backbone", "params", "macs"),
    [
        ("mobilenet_v2", 5.2257e6, 2.625e9),
        ("mobilenet_v3_large", 11.138e6, 1.122e9),
        ("mobilenet_v3_small", 6.2416e6, 827.7e6),
    ],
)
def test_choutis_models_cost_what_they_did(backbone: Backbone, params: float, macs: float) -> None:
    config = TrialConfig(backbone=backbone, output_stride=32, resolution=Resolution(224, 224))
    costs = static_costs(config, 21)
    assert costs["params"] == pytest.approx(params, rel=5e-5)
    assert costs["macs"] == pytest.approx(macs, rel=5e-4)
    assert costs["flops"] == 2 * costs["macs"]


def test_kims_model_loses_half_of_its_parameters_with_the_last_expansion() -> None:
    config = TrialConfig(backbone="mobilenet_v3_large", decoder_convs=2)
    whole = static_costs(config, 21)["params"]
    without = static_costs(replace(config, last_expansion=False), 21)["params"]
    assert whole == pytest.approx(11.73e6, rel=5e-4)
    assert without == pytest.approx(5.63e6, rel=1e-3)
    assert without / whole - 1 == pytest.approx(-0.520, abs=5e-4)


def test_renauds_models_lose_what_theirs_lost() -> None:
    size = Resolution(224, 224)
    whole = TrialConfig(arch="deconvnet", backbone="vgg16", resolution=size)
    small = TrialConfig(arch="deconvnet", backbone="mobilenet_v3_small", resolution=size)
    assert static_costs(whole, 21)["params"] == pytest.approx(252e6, rel=2e-3)
    assert static_costs(small, 21)["params"] == pytest.approx(12e6, rel=0.02)


def test_lr_aspp_has_the_parameters_of_torchvisions() -> None:
    with torch.device("meta"):
        theirs = lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=21)
    ours = TrialConfig(arch="lraspp", backbone="mobilenet_v3_large", resolution=Resolution(64, 64))
    costs = static_costs(ours, 21)
    assert costs["params"] == count_params(theirs)
    assert costs["macs"] == pytest.approx(count_macs(_Logits(theirs), Resolution(64, 64)), rel=0.01)


def test_a_narrower_mobilenet_costs_less() -> None:
    costs = [
        static_costs(TrialConfig(backbone="mobilenet_v3_large", width=width), 21)
        for width in (0.5, 0.75, 1.0)
    ]
    assert [cost["params"] for cost in costs] == sorted({cost["params"] for cost in costs})
    assert [cost["macs"] for cost in costs] == sorted({cost["macs"] for cost in costs})


def test_malyshevs_models_keep_their_order() -> None:
    macs = [
        static_costs(
            TrialConfig(
                arch="deeplabv3",
                backbone=backbone,
                output_stride=32,
                resolution=Resolution(512, 512),
            ),
            21,
        )["macs"]
        for backbone in ("resnet50", "resnet18", "mobilenet_v2")
    ]
    assert macs[0] == pytest.approx(25.4e9, rel=5e-3)
    assert macs == sorted(macs, reverse=True)
    assert [count / macs[0] for count in macs[1:]] == pytest.approx([0.42, 0.09], abs=0.02)


def _variants() -> list[TrialConfig]:
    """Every architecture on every backbone, each at one stride, at a size all strides divide."""
    size = Resolution(64, 32)
    found = [
        TrialConfig(
            arch=arch,  # type: ignore[arg-type]
            backbone=backbone,
            last_expansion=bool(i % 2) if backbone.startswith("mobilenet_v3") else None,
            output_stride=STRIDES[i % len(STRIDES)],
            resolution=size,
        )
        for i, (arch, backbone) in enumerate(product(STRIDED_ARCHS, DILATED))
    ]
    # fvcore's tracing cannot follow vgg16's unpooling
    return [*found, *(TrialConfig(arch="deconvnet", backbone=b, resolution=size) for b in DILATED)]


@pytest.mark.parametrize("config", _variants(), ids=lambda c: f"{c.arch}-{c.backbone}")
@pytest.mark.slow
def test_a_second_counter_agrees_within_one_percent(config: TrialConfig) -> None:
    logging.getLogger("fvcore").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from fvcore.nn import FlopCountAnalysis

        with torch.device("meta"):
            model = build_model(config, 21).eval()
        image = torch.rand(1, 3, config.resolution.height, config.resolution.width)
        theirs = FlopCountAnalysis(model.to_empty(device="cpu"), image).by_operator()
    convolutions = theirs["conv"] + theirs["linear"] + theirs["matmul"]
    assert static_costs(config, 21)["macs"] == pytest.approx(convolutions, rel=0.01)


def test_counting_does_not_change_the_model() -> None:
    model = build_model(TrialConfig(dropout=0.3), 4).train()
    model.head.aspp.convs[0].eval()  # type: ignore[union-attr, index]
    state = {name: value.clone() for name, value in model.state_dict().items()}
    text, training = repr(model), [module.training for module in model.modules()]
    assert count_macs(model, Resolution(32, 48)) > 0
    assert repr(model) == text
    assert [module.training for module in model.modules()] == training
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert all(parameter.device.type == "cpu" for parameter in model.parameters())


def test_a_built_model_has_the_costs_of_its_configuration() -> None:
    config = TrialConfig(backbone="mobilenet_v2", decoder_convs=2, output_stride=8)
    model, costs = build_model(config, 7), static_costs(config, 7)
    assert count_macs(model, config.resolution) == costs["macs"]
    assert count_params(model) == costs["params"]
    assert count_params(model) == sum(
        value.numel()
        for name, value in model.state_dict().items()
        if not name.endswith(("running_mean", "running_var", "num_batches_tracked"))
    )


def test_training_settings_change_no_cost() -> None:
    config = TrialConfig()
    other = replace(config, batch_size=32, learning_rate=0.1, dropout=0.5, augmentation=0.0)
    assert static_costs(other, 5) == static_costs(config, 5)


@pytest.mark.parametrize("arch", STRIDED_ARCHS)
def test_cost_grows_with_size_and_falls_with_stride(arch: Arch) -> None:
    small = TrialConfig(arch=arch, output_stride=32, resolution=Resolution(64, 64))
    macs = static_costs(small, 5)["macs"]
    for change in (
        {"resolution": Resolution(64, 96)},
        {"output_stride": 16},
        {"output_stride": 8},
    ):
        grown = static_costs(replace(small, **change), 5)
        assert grown["macs"] > macs
        assert grown["params"] == static_costs(small, 5)["params"]


def test_pruned_channels_are_not_counted() -> None:
    structured = TrialConfig(pruning="structured", pruning_ratio=0.5)
    dense, pruned = static_costs(TrialConfig(), 5), static_costs(structured, 5)
    assert pruned["macs"] < 0.3 * dense["macs"]
    assert pruned["params"] < 0.3 * dense["params"]
    model = build_pruned(structured, 5)
    assert count_macs(model, structured.resolution) == pruned["macs"]
    assert count_params(model) == pruned["params"]


def test_zeros_are_counted_like_other_weights() -> None:
    unstructured = TrialConfig(pruning="unstructured", pruning_ratio=0.9)
    assert static_costs(unstructured, 5) == static_costs(TrialConfig(), 5)


def test_bops_weigh_every_mac_by_the_bits_of_both_factors() -> None:
    costs = {q: static_costs(TrialConfig(quantization=q), 5) for q in ("none", "fp16", "ptq_int8")}
    macs = costs["none"]["macs"]
    assert {name: found["macs"] for name, found in costs.items()} == dict.fromkeys(costs, macs)
    assert [found["bops"] for found in costs.values()] == [1024 * macs, 256 * macs, 64 * macs]
