from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from search_spaces.config import TrialConfig
from trainables.incremental.exemplars import herd, image_features
from trainables.models.build import build_model


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
