from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from trainables.compression.unstructured import bake_masks, mask_weights, sparsity, without_masks


def _model() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 4, 1))


@settings(max_examples=20, deadline=None)
@given(ratio=st.floats(0.01, 0.99))
def test_the_sparsity_is_the_ratio(ratio: float) -> None:
    model = _model()
    mask_weights(model, ratio)
    assert sparsity(model) == pytest.approx(ratio, abs=0.01)


def test_the_smallest_weights_of_each_layer_go() -> None:
    layer = nn.Conv2d(1, 4, 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([0.1, -3.0, 2.0, -0.2]).view(4, 1, 1, 1))
    mask_weights(layer, 0.5)
    assert layer.weight.flatten().tolist() == [0.0, -3.0, 2.0, 0.0]


def test_masked_weights_stay_zero_during_training() -> None:
    model = _model()
    model.to(memory_format=torch.channels_last)
    mask_weights(model, 0.5)
    layer = model[0]
    assert isinstance(layer, nn.Conv2d)
    before = layer.weight.clone()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.rand(2, 3, 8, 8)).square().mean().backward()
        optimizer.step()
    model(torch.rand(1, 3, 8, 8))
    after = layer.weight
    assert torch.equal(after == 0, before == 0)
    assert not torch.equal(after, before)


def test_a_state_without_masks_is_that_of_the_baked_model() -> None:
    model = _model()
    names = set(model.state_dict())
    mask_weights(model, 0.3)
    state = without_masks(model.state_dict())
    bake_masks(model)
    baked = model.state_dict()
    assert set(state) == set(baked) == names
    assert all(torch.equal(state[name], baked[name]) for name in names)
    assert sparsity(model) == pytest.approx(0.3, abs=0.01)


def test_a_model_without_masks_is_left_as_it_is() -> None:
    model = _model()
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    bake_masks(model)
    assert without_masks(model.state_dict()).keys() == state.keys()
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())
    assert sparsity(model) == 0
    assert sparsity(nn.ReLU()) == 0


@pytest.mark.parametrize("ratio", [0.0, 1.0, float("nan")])
def test_a_ratio_outside_its_interval_is_refused(ratio: float) -> None:
    with pytest.raises(ValueError, match=r"must be in \(0, 1\)"):
        mask_weights(_model(), ratio)
