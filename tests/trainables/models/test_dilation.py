from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torchvision.models import get_model
from torchvision.ops import SqueezeExcitation

from trainables.models.dilation import limit_stride


class _Branches(nn.Module):
    """A strided block with a strided shortcut, as ResNet's."""

    def __init__(self, channels: int, stride: int, kernel: int) -> None:
        super().__init__()
        pad = kernel // 2
        self.first = nn.Conv2d(channels, channels, kernel, stride, pad)
        self.second = nn.Conv2d(channels, channels, kernel, 1, pad)
        self.shortcut = nn.Conv2d(channels, channels, 1, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(torch.relu(self.first(x))) + self.shortcut(x)  # type: ignore[no-any-return]


def _chain(strides: list[int], kernels: list[int]) -> nn.Sequential:
    torch.manual_seed(0)
    blocks = (_Branches(2, s, k) for s, k in zip(strides, kernels, strict=True))
    return nn.Sequential(*blocks).double()


@settings(deadline=None, max_examples=25)
@given(
    blocks=st.lists(
        st.tuples(st.sampled_from([1, 2]), st.sampled_from([1, 3, 5])), min_size=1, max_size=5
    ),
    limit=st.sampled_from([1, 2, 4, 8]),
    size=st.integers(9, 40),
)
def test_the_dense_map_holds_every_value_of_the_strided_one(
    blocks: list[tuple[int, int]], limit: int, size: int
) -> None:
    strides, kernels = [s for s, _ in blocks], [k for _, k in blocks]
    strided, dense = _chain(strides, kernels), _chain(strides, kernels)
    limit_stride(dense, stride=1, output_stride=limit)
    image = torch.rand(1, 2, size, size + 3, dtype=torch.float64)
    whole = torch.tensor(strides).prod().item()
    removed = max(1, int(whole) // limit)
    with torch.no_grad():
        torch.testing.assert_close(dense(image)[..., ::removed, ::removed], strided(image))


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "mobilenet_v3_small"])
def test_torchvisions_networks_compute_the_same_at_the_kept_positions(name: str) -> None:
    torch.manual_seed(0)
    strided, dense = _features(name), _features(name)
    dense.load_state_dict(strided.state_dict())
    limit_stride(dense, stride=1, output_stride=8)
    image = torch.rand(1, 3, 64, 96, dtype=torch.float64)
    with torch.no_grad():
        high, high_dense = strided(image), dense(image)
    assert high.shape[-2:] == (2, 3)
    assert high_dense.shape[-2:] == (8, 12)
    torch.testing.assert_close(high_dense[..., ::4, ::4], high)


def test_nothing_changes_where_the_limit_is_not_reached() -> None:
    blocks = _chain([2, 2, 1], [3, 5, 1])
    before = [repr(module) for module in blocks.modules()]
    limit_stride(blocks, stride=1, output_stride=4)
    assert [repr(module) for module in blocks.modules()] == before


def test_dilation_grows_with_every_stride_removed() -> None:
    blocks = _chain([2, 2, 2, 2], [3, 3, 3, 3])
    limit_stride(blocks, stride=1, output_stride=2)
    dilations = [(block.first.dilation[0], block.second.dilation[0]) for block in blocks]  # type: ignore[union-attr, index]
    assert dilations == [(1, 1), (1, 2), (2, 4), (4, 8)]
    assert all(last[1] == first[0] for last, first in pairwise(dilations))


def _features(name: str) -> nn.Sequential:
    """The blocks of a network without squeeze-and-excite, which looks at the whole map."""
    model = get_model(name, weights=None).double().eval()
    if name == "resnet18":
        layers = (model.layer1, model.layer2, model.layer3, model.layer4)
        blocks = [block for layer in layers for block in layer]
        return nn.Sequential(model.conv1, model.bn1, _halve(), *blocks).double().eval()
    for module in list(model.features.modules()):
        for child_name, child in module.named_children():
            if isinstance(child, SqueezeExcitation):
                setattr(module, child_name, nn.Identity())
    return model.features  # type: ignore[no-any-return]


def _halve() -> nn.Module:
    """Stand-in for ResNet's pooling whose stride sits in a convolution."""
    return nn.Conv2d(64, 64, 3, 2, 1)
