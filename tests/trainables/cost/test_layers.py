from __future__ import annotations

import pytest
import torch
from torch import nn

from search_spaces.config import TrialConfig
from trainables.cost.layers import LayerTable, PrunableTable, kernel_areas
from trainables.cost.macs import count_params
from trainables.models.build import SegmentationModel, build_model


def _on_meta(config: TrialConfig) -> SegmentationModel:
    with torch.device("meta"):
        return build_model(config, 7).eval()


def test_a_ratio_of_0_leaves_the_dense_network() -> None:
    model = _on_meta(TrialConfig(arch="lraspp", backbone="mobilenet_v3_small"))
    table = PrunableTable.of(model)
    assert table.left_by(0.0).params() == table.dense.params() == count_params(model)


def test_areas_leave_no_hook_behind() -> None:
    model = _on_meta(TrialConfig(arch="lraspp", backbone="mobilenet_v3_small"))
    names = [name for name, _ in model.named_modules()]
    areas, _ = kernel_areas(model, [torch.empty(1, 3, 32, 32, device="meta")], names)
    assert areas[names.index("backbone.early.0.0")] == 16 * 16
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize(
    ("layer", "error", "message"),
    [
        (nn.LayerNorm(8), TypeError, "1 is a LayerNorm"),
        (nn.Conv2d(8, 8, 3, groups=2), ValueError, "1 has 2 groups of channels"),
    ],
)
def test_a_layer_of_an_unknown_kind_is_named(
    layer: nn.Module, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        LayerTable.of(nn.Sequential(nn.Conv2d(3, 8, 1), layer))
