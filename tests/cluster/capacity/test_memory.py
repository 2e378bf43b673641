from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.capacity.memory import CONTEXT_MB, MemoryModel, learn, size_lanes

needs = st.lists(st.floats(1, 90_000), min_size=1, max_size=40)


def test_without_profiles_the_error_bar_is_wide() -> None:
    model = learn([])
    assert model == MemoryModel()
    assert model.profiles == 0
    assert model.upper_mb(100) > model.expected_mb(100) > 100


@given(ratios=st.lists(st.floats(0.5, 3), min_size=1, max_size=60), told=st.floats(1, 10_000))
def test_the_model_lies_within_the_measured_ratios(ratios: list[float], told: float) -> None:
    model = learn([(told, told * ratio) for ratio in ratios])
    assert model.profiles == len(ratios)
    assert min(ratios) * 0.999 <= model.factor <= max(ratios) * 1.001
    assert model.factor <= model.upper_factor * 1.000001
    below = sum(told * ratio <= model.upper_mb(told) * 1.000001 for ratio in ratios)
    assert below >= 0.9 * len(ratios)


def test_nine_of_ten_trainings_to_come_stay_below_the_upper_figure() -> None:
    rng = random.Random(3)
    inside = 0
    for _ in range(400):
        drawn = [(100.0, 100 * rng.lognormvariate(0.2, 0.3)) for _ in range(20)]
        inside += drawn[-1][1] <= learn(drawn[:-1]).upper_mb(100)
    assert 0.87 <= inside / 400 <= 0.99


@pytest.mark.parametrize("pair", [(0.0, 5.0), (5.0, 0.0), (-1.0, 3.0)])
def test_pairs_that_are_not_positive_are_ignored(pair: tuple[float, float]) -> None:
    assert learn([pair]) == MemoryModel()


@given(wanted=needs, gpus=st.integers(1, 16), memory=st.sampled_from([500.0, 16e3, 80e3]))
def test_sizes_fill_the_gpus_and_the_largest_fits_every_training(
    wanted: list[float], gpus: int, memory: float
) -> None:
    sizes = size_lanes(wanted, gpus=gpus, gpu_memory_mb=memory)
    assert sum(size.gpus for size in sizes) == gpus
    assert all(size.gpus >= 1 for size in sizes)
    assert sorted(size.memory_mb for size in sizes) == [size.memory_mb for size in sizes]
    largest = sizes[-1]
    fits_somewhere = [need for need in wanted if need <= memory - CONTEXT_MB]
    if len(fits_somewhere) == len(wanted):
        assert max(wanted) <= largest.memory_mb
    else:
        assert largest.share == 1
    for size in sizes:
        assert round(1 / size.share) == pytest.approx(1 / size.share)
        assert size.memory_mb <= memory * size.share


def test_sizes_of_examples() -> None:
    small_models = [3_000.0] * 9 + [30_000.0]
    small, large = size_lanes(small_models, gpus=8, gpu_memory_mb=80_000)
    assert (small.share, small.gpus, large.share, large.gpus) == (1 / 8, 6, 1 / 2, 2)
    (only,) = size_lanes(small_models, gpus=1, gpu_memory_mb=80_000)
    assert only.share == 1 / 2
    (alike,) = size_lanes([3_000.0], gpus=8, gpu_memory_mb=80_000)
    assert (alike.share, alike.gpus) == (1 / 8, 8)
