from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional
from torchvision.transforms import v2

from search_spaces.resolution import Resolution
from trainables.data.masks.labels import IGNORE
from trainables.data.transforms import (
    DRAWS,
    IMAGENET_MEAN,
    IMAGENET_STD,
    Batch,
    RandomTransform,
    network_inputs,
    normalized,
)

STRENGTHS = st.floats(0.01, 1)
SEEDS = st.integers(0, 2**63 - 1)
CELLS = st.tuples(st.integers(4, 8), st.integers(4, 8), st.integers(2, 5), st.integers(2, 5))
SMALL = Resolution(24, 32)


def coordinates(height: int, width: int) -> Tensor:
    """Return 3 x H x W: the column, the row, and 0, each in [0, 1] at pixel centres."""
    rows = ((torch.arange(height) + 0.5) / height)[:, None].expand(height, width)
    columns = ((torch.arange(width) + 0.5) / width)[None, :].expand(height, width)
    return torch.stack([columns, rows, torch.zeros(height, width)])


def as_pictures(place: Tensor) -> Tensor:
    """Return a batch of one uint8 picture of ``place``, 3 x H x W in [0, 1]."""
    return (place * 255).round().to(torch.uint8).permute(1, 2, 0).unsqueeze(0)


def undo_normalisation(image: Tensor) -> Tensor:
    mean, std = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)
    return image * std[:, None, None] + mean[:, None, None]


def decoded(count: int = 1, *, soft: bool = False) -> Batch:
    """Return random images of ``SMALL`` and their masks."""
    generator = torch.Generator().manual_seed(0)
    shape = (count, 24, 32)
    batch = {
        "image": torch.randint(0, 256, (*shape, 3), dtype=torch.uint8, generator=generator),
        "mask": torch.randint(0, 5, shape, dtype=torch.uint8, generator=generator),
    }
    if soft:
        batch["soft"] = torch.randn(count, 5, 6, 8, generator=generator).half()
    return batch


def transformed(
    batch: Batch, transform: RandomTransform, seed: int, *, view: bool = False
) -> Batch:
    """Return the inputs of random transforms of ``batch``; with ``view`` colours do not change."""
    uniforms = np.random.default_rng(seed).random((len(batch["image"]), DRAWS), dtype=np.float32)
    parameters = transform.parameters(uniforms)
    if view:
        parameters["colour"] = torch.ones_like(parameters["colour"])
    return network_inputs(batch | parameters)


@settings(max_examples=60, deadline=None)
@given(strength=STRENGTHS, seed=SEEDS, cells=CELLS, flips=st.booleans())
def test_image_mask_and_soft_labels_stay_aligned(
    *, strength: float, seed: int, cells: tuple[int, int, int, int], flips: bool
) -> None:
    rows, columns, tall, wide = cells
    height, width = rows * tall, columns * wide
    batch = {
        "image": as_pictures(coordinates(height, width)),
        # Every pixel has the label of its column.
        "mask": torch.arange(width, dtype=torch.uint8).expand(1, height, width),
        "soft": coordinates(rows, columns).unsqueeze(0),
    }
    transform = RandomTransform.of(strength, Resolution(height, width), vertical_flips=flips)
    inputs = transformed(batch, transform, seed, view=True)
    labels, logits = inputs["mask"][0], inputs["soft"][0]
    seen = undo_normalisation(inputs["image"][0])
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
def test_an_image_is_transformed_alike_alone_and_in_a_batch(strength: float, seed: int) -> None:
    batch = decoded(3, soft=True)
    uniforms = np.random.default_rng(seed).random((3, DRAWS), dtype=np.float32)
    batch |= RandomTransform.of(strength, SMALL).parameters(uniforms)
    together = network_inputs(batch)
    for index in range(3):
        alone = network_inputs({name: values[index : index + 1] for name, values in batch.items()})
        for name, values in alone.items():
            assert torch.equal(values[0], together[name][index])


def test_colours_change_in_the_image_only() -> None:
    transform = RandomTransform.of(0.8, SMALL)
    batch = decoded(soft=True)
    plain, full = (transformed(batch, transform, 3, view=view) for view in (True, False))
    assert torch.equal(plain["mask"], full["mask"])
    assert torch.equal(plain["soft"], full["soft"])
    assert not torch.equal(plain["image"], full["image"])


@pytest.mark.parametrize("factors", [(1.3, 1, 1), (1, 0.7, 1), (1, 1, 0.4), (0.9, 0.8, 0.7)])
def test_colours_change_as_those_of_torchvision(factors: tuple[float, float, float]) -> None:
    batch = decoded(2)
    batch["image"] = batch["image"] // 2 + 32  # nothing is clamped
    plain = batch["image"].permute(0, 3, 1, 2).float() / 255
    brightness, contrast, saturation = factors
    expected = v2.functional.adjust_brightness(plain, brightness)
    expected = v2.functional.adjust_saturation(expected, saturation)
    expected = v2.functional.adjust_contrast(expected, contrast)
    batch["view"] = torch.eye(3)[:2].expand(2, 2, 3)
    batch["colour"] = torch.tensor([factors] * 2, dtype=torch.float32)
    seen = undo_normalisation(network_inputs(batch)["image"])
    assert torch.allclose(seen, expected, atol=2e-4)  # torchvision's weights of gray sum to 0.9999


def test_strength_zero_changes_nothing() -> None:
    batch = decoded(soft=True)
    inputs = transformed(batch, RandomTransform.of(0, SMALL, vertical_flips=True), 1)
    assert torch.equal(inputs["image"], normalized(batch["image"]))
    assert torch.equal(inputs["mask"], batch["mask"].long())
    assert torch.equal(inputs["soft"], batch["soft"])


def test_shapes_and_types_fit_training() -> None:
    inputs = transformed(decoded(2), RandomTransform.of(1.0, SMALL), 0)
    assert (inputs["image"].shape, inputs["image"].dtype) == ((2, 3, 24, 32), torch.float32)
    assert (inputs["mask"].shape, inputs["mask"].dtype) == ((2, 24, 32), torch.int64)
    assert set(inputs) == {"image", "mask"}


def test_half_of_the_views_are_mirrored() -> None:
    batch = {"image": as_pictures(coordinates(16, 32)).expand(400, 16, 32, 3)}
    inputs = transformed(batch, RandomTransform.of(0.05, Resolution(16, 32)), 0, view=True)
    row = undo_normalisation(inputs["image"])[:, 0, 8]
    assert 160 < int((row[:, 4] > row[:, -4]).sum()) < 240


def test_views_are_upside_down_only_on_request() -> None:
    for flips in (False, True):
        batch = {
            "image": as_pictures(coordinates(16, 32)).expand(400, 16, 32, 3),
            "mask": (torch.arange(16).unsqueeze(1) >= 8).expand(400, 16, 32).to(torch.uint8),
        }
        transform = RandomTransform.of(0.05, Resolution(16, 32), vertical_flips=flips)
        inputs = transformed(batch, transform, 0, view=True)
        column = undo_normalisation(inputs["image"])[:, 1, :, 16]
        turned = column[:, 4] > column[:, -4]
        assert torch.equal(turned, inputs["mask"][:, 4, 16] > inputs["mask"][:, -4, 16])
        assert 160 < int(turned.sum()) < 240 if flips else not turned.any()


def test_vertical_flips_leave_every_other_draw_as_it_is() -> None:
    uniforms = np.random.default_rng(3).random((20, DRAWS), dtype=np.float32)
    plain, flipped = (
        RandomTransform.of(1.0, SMALL, vertical_flips=flips).parameters(uniforms)
        for flips in (False, True)
    )
    assert torch.equal(plain["colour"], flipped["colour"])
    assert torch.equal(plain["view"][..., [0, 2]], flipped["view"][..., [0, 2]])
    assert torch.equal(plain["view"][..., 1].abs(), flipped["view"][..., 1].abs())


def test_zooming_out_shows_ignored_pixels_and_zooming_in_none() -> None:
    inputs = transformed(decoded(60), RandomTransform.of(1.0, SMALL), 0)
    shares = (inputs["mask"] == IGNORE).float().mean(dim=(1, 2))
    assert float(shares.min()) == 0
    assert 0.2 < float(shares.max()) < 0.6


def test_images_are_normalized_as_by_torchvision() -> None:
    pictures = decoded(2)["image"]
    plain = v2.functional.to_dtype(pictures.permute(0, 3, 1, 2), torch.float32, scale=True)
    expected = v2.functional.normalize(plain, list(IMAGENET_MEAN), list(IMAGENET_STD))
    assert torch.equal(normalized(pictures), expected)


@pytest.mark.parametrize("strength", [-0.1, 1.01, float("nan")])
def test_a_strength_out_of_range_is_refused(strength: float) -> None:
    with pytest.raises(ValueError, match=r"must be in \[0, 1\]"):
        RandomTransform.of(strength, SMALL)
