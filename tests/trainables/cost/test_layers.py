from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

from search_spaces.config import Resolution, TrialConfig
from search_spaces.vocabulary import OWN_ARCHS
from trainables.compression.structured import prune_channels
from trainables.cost.layers import LayerTable, kernel_areas
from trainables.cost.macs import count_macs, count_params, static_costs
from trainables.models.backbones import DILATED
from trainables.models.build import SegmentationModel, build_model

if TYPE_CHECKING:
    from search_spaces.config import Arch, Backbone

RATIOS = (0.11, 0.5, 0.87, 0.35)
PAIRS = list(product(OWN_ARCHS, DILATED))
CASES = [
    pytest.param(
        *(arch, backbone, RATIOS[i % len(RATIOS)]),
        marks=[] if (arch, backbone) == ("lraspp", "mobilenet_v3_small") else [pytest.mark.slow],
    )
    for i, (arch, backbone) in enumerate(PAIRS)
]


def _on_meta(config: TrialConfig) -> SegmentationModel:
    with torch.device("meta"):
        return build_model(config, 7).eval()


@pytest.mark.parametrize(("arch", "backbone", "ratio"), CASES)
def test_what_is_counted_is_what_pruning_leaves(
    arch: Arch, backbone: Backbone, ratio: float
) -> None:
    size = Resolution(96, 64)
    config = TrialConfig(
        arch=arch,
        backbone=backbone,
        output_stride=None if arch == "deconvnet" else 16,
        resolution=size,
        pruning="structured",
        pruning_ratio=ratio,
    )
    model = _on_meta(config)
    prune_channels(model, ratio)
    costs = static_costs(config, 7)
    assert costs["params"] == count_params(model)
    assert costs["macs"] == count_macs(model, size)


def test_a_ratio_of_nothing_leaves_the_dense_network() -> None:
    config = TrialConfig(arch="lraspp", backbone="mobilenet_v3_small")
    model, costs = _on_meta(config), static_costs(config, 7)
    table = LayerTable.of(model)
    areas = kernel_areas(model, table.names, config.resolution)
    assert table.params(0.0) == costs["params"]
    assert table.macs(areas, 0.0) == costs["macs"]


def test_areas_leave_no_hook_behind() -> None:
    model = _on_meta(TrialConfig(arch="lraspp", backbone="mobilenet_v3_small"))
    kernel_areas(model, [name for name, _ in model.named_modules()], Resolution(32, 32))
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize(
    ("layer", "error", "message"),
    [
        (nn.LayerNorm(8), TypeError, "1 is a LayerNorm"),
        (nn.Conv2d(8, 8, 3, groups=2), ValueError, "1 has 2 groups of channels"),
    ],
)
def test_a_layer_that_no_table_can_hold_is_named(
    layer: nn.Module, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        LayerTable.of(nn.Sequential(nn.Conv2d(3, 8, 1), layer))
