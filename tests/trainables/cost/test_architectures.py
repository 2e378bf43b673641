from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pytest

from search_spaces.config import TrialConfig
from search_spaces.resolution import Resolution
from search_spaces.vocabulary import BACKBONES, STRIDED_ARCHS
from trainables.compression.structured import prune_channels
from trainables.cost.architectures import dense_costs, pruned_costs
from trainables.cost.macs import count_macs, count_params
from trainables.cost.skeleton import no_values
from trainables.models.backbones import DILATED
from trainables.models.build import SegmentationModel, build_model
from trainables.models.shape import dense_architecture

if TYPE_CHECKING:
    from search_spaces.vocabulary import Backbone

STRIDES = (8, 16, 32)
SIZES = (Resolution(32, 64), Resolution(160, 96), Resolution(96, 32))
RATIOS = (0.11, 0.5, 0.87, 0.35)
KINDS = [*product(STRIDED_ARCHS, DILATED, STRIDES), *product(["deconvnet"], BACKBONES, [None])]
FAST = {("lraspp", "mobilenet_v3_small", 16), ("deeplabv3plus", "resnet18", 32)}
CASES = [
    pytest.param(
        TrialConfig(
            arch=arch,  # type: ignore[arg-type]
            backbone=backbone,
            last_expansion=[True, False][i % 2] if backbone.startswith("mobilenet_v3") else None,
            width=0.75 if i % 5 > 1 and backbone.startswith("mobilenet") else None,
            output_stride=stride,
            decoder_convs=1 + i % 2 if arch == "deeplabv3plus" else None,
            resolution=SIZES[i // 2 % 3],
        ),
        id=f"{arch}-{backbone}-{stride}",
        marks=[] if (arch, backbone, stride) in FAST else [pytest.mark.slow],
    )
    for i, (arch, backbone, stride) in enumerate(KINDS)
]
PRUNED = [
    *(CASES[len(STRIDES) * i + i % len(STRIDES)] for i in range(len(STRIDED_ARCHS) * len(DILATED))),
    *(case for case in CASES[-len(BACKBONES) :] if "vgg16" not in str(case.id)),
]
"""Every strided architecture on every backbone, at some stride, and every DeconvNet but vgg16's."""


def _on_meta(config: TrialConfig) -> SegmentationModel:
    with no_values():
        return build_model(config, 7).eval()


@pytest.mark.parametrize("config", CASES)
def test_the_costs_of_an_architecture_are_those_of_its_model(config: TrialConfig) -> None:
    model, size = _on_meta(config), config.resolution
    told = dense_costs(dense_architecture(config), size, 7)
    assert told == (count_params(model), count_macs(model, size))


@pytest.mark.parametrize("config", PRUNED)
def test_the_costs_of_a_pruned_model_are_those_after_pruning(config: TrialConfig) -> None:
    _check_pruned(config, RATIOS[len(config.backbone + config.arch) % len(RATIOS)])


@pytest.mark.parametrize("ratio", [0.05, 0.3, 0.95])
def test_the_costs_are_exact_for_every_ratio(ratio: float) -> None:
    _check_pruned(TrialConfig(arch="lraspp", backbone="mobilenet_v3_small"), ratio)


def _check_pruned(config: TrialConfig, ratio: float) -> None:
    model, size = _on_meta(config), config.resolution
    prune_channels(model, ratio)
    told = pruned_costs(dense_architecture(config), size, 7, ratio=ratio)
    assert told == (count_params(model), count_macs(model, size))


@pytest.mark.parametrize(
    "backbone",
    [
        "mobilenet_v3_small",
        pytest.param("mobilenet_v3_large", marks=pytest.mark.slow),
        pytest.param("mobilenet_v2", marks=pytest.mark.slow),
    ],
)
def test_widths_that_round_to_the_same_channels_are_the_same(backbone: Backbone) -> None:
    rng = np.random.default_rng(0)
    for width in (0.5, 0.501, *rng.uniform(0.35, 1.2, size=6).tolist()):
        config = TrialConfig(backbone=backbone, width=width)
        model, size = _on_meta(config), config.resolution
        told = dense_costs(dense_architecture(config), size, 7)
        assert told == (count_params(model), count_macs(model, size))


def test_concurrent_threads_get_equal_costs() -> None:
    config = TrialConfig(arch="deeplabv3plus", backbone="resnet18")
    size, classes = config.resolution, range(20, 32)
    with ThreadPoolExecutor(4) as threads:
        asked = partial(dense_costs, dense_architecture(config), size)
        told = [macs for _, macs in threads.map(asked, classes)]
    steps = np.diff(told)
    assert set(steps) == {steps[0]}


def test_the_number_of_classes_shapes_the_last_layer_alone() -> None:
    config = TrialConfig(backbone="mobilenet_v2")
    few, more = (
        dense_costs(dense_architecture(config), config.resolution, classes)[0]
        for classes in (2, 12)
    )
    assert more - few == 10 * (256 + 1)
