from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from search_spaces.resolution import Resolution
from trainables.data.masks.labels import IGNORE
from trainables.data.transforms import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    JointTransform,
    RandomView,
    eval_transform,
    to_picture,
    train_transform,
)

STRENGTHS = st.floats(0.01, 1)
SEEDS = st.integers(0, 2**63 - 1)
CELLS = st.tuples(st.integers(4, 8), st.integers(4, 8), st.integers(2, 5), st.integers(2, 5))


def coordinates(height: int, width: int) -> torch.Tensor:
    """Return 3 x H x W: the column, the row, and 0, each in [0, 1] at pixel centres."""
    rows = ((torch.arange(height) + 0.5) / height)[:, None].expand(height, width)
    columns = ((torch.arange(width) + 0.5) / width)[None, :].expand(height, width)
    return torch.stack([columns, rows, torch.zeros(height, width)])


def undo_normalisation(image: torch.Tensor) -> torch.Tensor:
    mean, std = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)
    return image * std[:, None, None] + mean[:, None, None]


def sample(height: int = 24, width: int = 32) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(0)
    image = torch.from_numpy(rng.integers(0, 256, (3, height, width), dtype=np.uint8))
    mask = torch.from_numpy(rng.integers(0, 5, (height, width), dtype=np.uint8))
    return image, mask


@settings(max_examples=60, deadline=None)
@given(strength=STRENGTHS, seed=SEEDS, cells=CELLS, flips=st.booleans())
def test_image_mask_and_soft_labels_stay_aligned(
    *, strength: float, seed: int, cells: tuple[int, int, int, int], flips: bool
) -> None:
    rows, columns, tall, wide = cells
    height, width = rows * tall, columns * wide
    place = coordinates(height, width)
    image = (place * 255).round().to(torch.uint8)
    # Every pixel has its own label where there are few, else its column's.
    mask = torch.arange(width, dtype=torch.uint8)[None, :].expand(height, width).contiguous()
    soft = coordinates(rows, columns)
    view = JointTransform(RandomView(strength, Resolution(height, width), vertical_flips=flips))
    moved, labels, logits = view(image, mask, soft, seed=seed)
    assert logits is not None
    seen = undo_normalisation(moved)
    inside = labels != IGNORE
    assert (labels[inside] < width).all()
    column_of_label = (labels[inside] + 0.5) / width
    assert ((column_of_label - seen[0][inside]).abs() < 0.75 / width + 1 / 255).all()
    # Soft labels repeat their border, half a cell wide, so only what lies deeper is compared.
    deep = (logits[0] > 0.5 / columns + 1e-4) & (logits[0] < 1 - 0.5 / columns - 1e-4)
    deep &= (logits[1] > 0.5 / rows + 1e-4) & (logits[1] < 1 - 0.5 / rows - 1e-4)
    pooled = functional.avg_pool2d(seen, (tall, wide))
    whole = functional.avg_pool2d(inside.float()[None], (tall, wide))[0] == 1
    # Pixels at the very edge of the picture repeat it too.
    border = (pooled[:2] > 0.1).all(dim=0) & (pooled[:2] < 0.9).all(dim=0)
    compared = deep & whole & border
    assert ((pooled[:2] - logits[:2]).abs().amax(dim=0)[compared] < 0.02).all()


@settings(max_examples=30, deadline=None)
@given(strength=STRENGTHS, seed=SEEDS)
def test_the_same_seed_gives_the_same_and_leaves_the_global_generator(
    strength: float, seed: int
) -> None:
    image, mask = sample()
    transform = train_transform(strength, Resolution(24, 32))
    state = torch.random.get_rng_state()
    first, second = (transform(image, mask, seed=seed) for _ in range(2))
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    assert first[2] is None
    assert torch.equal(torch.random.get_rng_state(), state)


def test_without_a_seed_the_global_generator_is_used() -> None:
    image, mask = sample()
    transform = train_transform(1.0, Resolution(24, 32))
    torch.manual_seed(5)
    first = transform(image, mask)[0]
    second = transform(image, mask)[0]
    torch.manual_seed(5)
    assert torch.equal(transform(image, mask)[0], first)
    assert not torch.equal(first, second)


def test_colours_change_in_the_image_only() -> None:
    image, mask = sample()
    soft = torch.randn(5, 6, 8).half()
    resolution = Resolution(24, 32)
    plain = JointTransform(RandomView(0.8, resolution))(image, mask, soft, seed=3)
    full = train_transform(0.8, resolution)(image, mask, soft, seed=3)
    assert torch.equal(plain[1], full[1])
    assert plain[2] is not None
    assert full[2] is not None
    assert torch.equal(plain[2], full[2])
    assert full[2].dtype == torch.float16
    assert not torch.equal(plain[0], full[0])


def test_strength_zero_changes_nothing() -> None:
    image, mask = sample()
    soft = torch.randn(5, 3, 4)
    for seed in range(5):
        moved, labels, logits = train_transform(0, Resolution(24, 32))(image, mask, soft, seed=seed)
        assert torch.equal(to_picture(moved), image)
        assert torch.equal(labels, mask.long())
        assert logits is not None
        assert torch.equal(logits, soft)


def test_shapes_and_types_fit_training() -> None:
    image, mask = sample()
    moved, labels, _ = train_transform(1.0, Resolution(24, 32))(image, mask)
    assert (moved.shape, moved.dtype) == ((3, 24, 32), torch.float32)
    assert (labels.shape, labels.dtype) == ((24, 32), torch.int64)
    assert type(moved) is torch.Tensor
    assert type(labels) is torch.Tensor


def test_half_of_the_views_are_mirrored() -> None:
    place = (coordinates(16, 32) * 255).round().to(torch.uint8)
    mask = torch.zeros(16, 32, dtype=torch.uint8)
    view = JointTransform(RandomView(0.05, Resolution(16, 32)))
    mirrored = 0
    for seed in range(200):
        row = undo_normalisation(view(place, mask, seed=seed)[0])[0, 8]
        mirrored += bool(row[4] > row[-4])
    assert 70 < mirrored < 130


def test_views_are_upside_down_only_on_request() -> None:
    place = (coordinates(16, 32) * 255).round().to(torch.uint8)
    mask = (torch.arange(16).unsqueeze(1) >= 8).expand(16, 32).to(torch.uint8)
    turned = dict.fromkeys((False, True), 0)
    for flips in turned:
        view = JointTransform(RandomView(0.05, Resolution(16, 32), vertical_flips=flips))
        for seed in range(200):
            image, labels, _ = view(place, mask, seed=seed)
            column = undo_normalisation(image)[1, :, 16]
            assert bool(column[4] > column[-4]) == bool(labels[4, 16] > labels[-4, 16])
            turned[flips] += bool(column[4] > column[-4])
    assert turned[False] == 0
    assert 70 < turned[True] < 130


def test_vertical_flips_leave_every_other_draw_as_it_is() -> None:
    image, mask = sample()
    plain = train_transform(0.0, Resolution(24, 32), vertical_flips=True)(image, mask, seed=1)
    assert torch.equal(to_picture(plain[0]), image)
    views = [
        RandomView(1.0, Resolution(24, 32), vertical_flips=flips).make_params([])["theta"]
        for flips in (False, True)
        for _ in [torch.manual_seed(3)]
    ]
    assert torch.equal(views[0][..., 0], views[1][..., 0])
    assert torch.equal(views[0][..., 2], views[1][..., 2])
    assert torch.equal(views[0][..., 1].abs(), views[1][..., 1].abs())


def test_zooming_out_shows_ignored_pixels_and_zooming_in_none() -> None:
    image, mask = sample()
    view = JointTransform(RandomView(1.0, Resolution(24, 32)))
    shares = [
        float((view(image, mask, seed=seed)[1] == IGNORE).float().mean()) for seed in range(60)
    ]
    assert min(shares) == 0
    assert 0.2 < max(shares) < 0.6


def test_validation_images_are_normalized_as_imagenet() -> None:
    image = torch.full((3, 2, 2), 255, dtype=torch.uint8)
    moved, _, _ = eval_transform()(image, torch.zeros(2, 2, dtype=torch.uint8))
    expected = (1 - torch.tensor(IMAGENET_MEAN)) / torch.tensor(IMAGENET_STD)
    assert torch.allclose(moved[:, 0, 0], expected)


@pytest.mark.parametrize("strength", [-0.1, 1.01, float("nan")])
def test_a_strength_out_of_range_is_refused(strength: float) -> None:
    with pytest.raises(ValueError, match=r"must be in \[0, 1\]"):
        train_transform(strength, Resolution(24, 32))
