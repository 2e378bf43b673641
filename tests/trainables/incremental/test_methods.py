from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from search_spaces.config import TrialConfig
from trainables.incremental.config import ExtendError
from trainables.incremental.methods import (
    Consolidation,
    expanded,
    fisher_information,
    herd,
    image_features,
)
from trainables.models.build import build_model

if TYPE_CHECKING:
    from search_spaces.vocabulary import Arch


@pytest.mark.parametrize("arch", ["deeplabv3", "deeplabv3plus", "lraspp"])
def test_old_classes_are_predicted_as_before(arch: Arch) -> None:
    torch.manual_seed(0)
    config = TrialConfig(arch=arch, backbone="mobilenet_v3_small", last_expansion=False)
    model = build_model(config, 3).eval()
    larger = expanded(model, config, 3, 2)
    assert larger.training
    images = torch.rand(1, 3, 32, 48)
    with torch.inference_mode():
        before, after = model(images), larger.eval()(images)
    assert after.shape == (1, 5, 32, 48)
    torch.testing.assert_close(after[:, :3], before)


def test_a_network_whose_classes_come_from_many_layers_is_refused() -> None:
    config = TrialConfig(arch="deconvnet", backbone="mobilenet_v3_small", last_expansion=False)
    with torch.device("meta"):
        model = build_model(config, 3)
        with pytest.raises(ExtendError, match="deconvnet on mobilenet_v3_small cannot be extended"):
            expanded(model, config, 3, 2)


@settings(deadline=None)
@given(st.integers(1, 12), st.integers(1, 4), st.integers(0, 15), st.integers(0, 2**20))
def test_a_herd_is_a_prefix_of_an_order_of_all(
    rows: int, width: int, count: int, seed: int
) -> None:
    features = torch.rand(rows, width, generator=torch.Generator().manual_seed(seed))
    chosen = herd(features, count)
    assert len(chosen) == len(set(chosen)) == min(count, rows)
    whole = herd(features, rows)
    assert sorted(whole) == list(range(rows))
    assert whole[: len(chosen)] == chosen


@settings(deadline=None)
@given(st.integers(2, 10), st.integers(0, 2**20))
def test_the_first_is_the_nearest_to_the_mean(rows: int, seed: int) -> None:
    features = torch.rand(rows, 3, generator=torch.Generator().manual_seed(seed))
    distances = (features - features.mean(0)).square().sum(1)
    (first,) = herd(features, 1)
    assert distances[first] <= distances.min() + 1e-6


def test_a_herd_follows_the_mean_better_than_any_other_next() -> None:
    features = torch.tensor([[0.0], [10.0], [4.0], [6.0], [5.1]])
    assert herd(features, 3) == [4, 2, 3]


def test_image_features_are_statistics_of_the_logits() -> None:
    torch.manual_seed(0)
    model = build_model(TrialConfig(backbone="mobilenet_v3_small", last_expansion=False), 3)
    images = [torch.rand(1, 3, 32, 48), torch.zeros(1, 3, 32, 48)]
    features = image_features(model, images)
    assert features.shape == (2, 6)
    assert torch.isfinite(features).all()
    assert not torch.equal(features[0], features[1])


def _model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 3, 1))


def test_the_information_is_the_mean_squared_gradient_scaled_to_one() -> None:
    model, images = _model(), [torch.rand(1, 3, 5, 4) for _ in range(6)]
    found = fisher_information(model, images, torch.Generator().manual_seed(3))
    generator, sums = torch.Generator().manual_seed(3), torch.zeros(0)
    for image in images:
        logits = model(image)
        rows = logits.detach().softmax(1).movedim(1, -1).reshape(-1, 3)
        labels = torch.multinomial(rows, 1, generator=generator).reshape(1, 5, 4)
        loss = functional.cross_entropy(logits, labels)
        grads = torch.autograd.grad(loss, list(model.parameters()))
        row = torch.cat([grad.flatten() for grad in grads]).square()
        sums = row if not len(sums) else sums + row
    flat = torch.cat([values.flatten() for values in found.values()])
    torch.testing.assert_close(flat, sums / sums.mean())
    assert float(flat.mean()) == pytest.approx(1.0, abs=1e-5)
    assert all(weight.grad is None for weight in model.parameters())


def test_without_images_there_is_no_information() -> None:
    with pytest.raises(ValueError, match="0 images give no gradient"):
        fisher_information(_model(), [], torch.Generator())


def test_the_penalty_follows_its_formula() -> None:
    model = nn.Linear(2, 2, bias=False)
    anchor = {"weight": torch.zeros(2, 2)}
    fisher = {"weight": torch.tensor([[1.0, 2.0], [0.0, 4.0]])}
    model.weight.data = torch.tensor([[1.0, 3.0], [5.0, 0.5]])
    penalty = Consolidation(anchor, fisher, 0.5).penalty(model)
    assert float(penalty.detach()) == pytest.approx(0.25 * (1 + 2 * 9 + 0 + 4 * 0.25))
    assert penalty.requires_grad


def test_rows_of_new_classes_have_no_penalty() -> None:
    model = nn.Linear(2, 3)
    old = {name: value[:2].detach().clone() for name, value in model.named_parameters()}
    fisher = {name: torch.ones_like(value) for name, value in old.items()}
    consolidation = Consolidation(old, fisher, 1.0)
    model.weight.data[2] += 7
    assert float(consolidation.penalty(model).detach()) == 0
    model.weight.data[1] += 1
    assert float(consolidation.penalty(model).detach()) == pytest.approx(1.0)
