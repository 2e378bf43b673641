from __future__ import annotations

import ast
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainables.inference import predictor as code
from trainables.inference.predictor import PackedModelError, Predictor, window_starts

DESCRIPTION = {
    "class_names": ["dark", "middle", "bright"],
    "resolution": [8, 12],
    "preprocessing": {"mean": [0, 0, 0], "std": [1, 1, 1]},
}


def brightness(images: torch.Tensor) -> torch.Tensor:
    """Return logits whose best class is dark, middle or bright by thirds."""
    level = images.mean(1, keepdim=True)
    return -torch.cat([(level - centre).abs() for centre in (1 / 6, 1 / 2, 5 / 6)], dim=1)


@pytest.fixture
def predictor() -> Predictor:
    return Predictor(brightness, DESCRIPTION)


def flat(value: int, size: tuple[int, int]) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.full((1, *size, 3), value, dtype=np.uint8)


@given(length=st.integers(1, 300), window=st.integers(1, 100), overlap=st.floats(0, 0.95))
def test_windows_cover_everything_and_overlap_enough(
    length: int, window: int, overlap: float
) -> None:
    starts = window_starts(length, window, overlap)
    assert starts[0] == 0
    assert starts[-1] == max(0, length - window)
    steps = [after - before for before, after in pairwise(starts)]
    assert all(0 < step <= max(1, window * (1 - overlap) + 1) for step in steps)
    assert all(step <= window for step in steps)


@pytest.mark.parametrize("mode", ["resize", "sliding"])
@pytest.mark.parametrize("size", [(8, 12), (5, 7), (40, 31), (9, 100)])
def test_masks_have_the_size_of_the_images_in_both_modes(
    predictor: Predictor, mode: str, size: tuple[int, int]
) -> None:
    for value, label in ((10, 0), (128, 1), (250, 2)):
        masks = predictor.masks(flat(value, size), mode=mode)
        assert masks.shape == (1, *size)
        assert masks.dtype == np.uint8
        assert (masks == label).all()


def test_sliding_keeps_detail_that_resizing_loses(predictor: Predictor) -> None:
    image = np.zeros((1, 64, 96, 3), dtype=np.uint8)
    image[:, ::2] = 255
    sliding = predictor.masks(image, mode="sliding")
    assert (sliding[0, ::2] == 2).all()
    assert (sliding[0, 1::2] == 0).all()
    assert (predictor.masks(image) == 1).mean() > 0.9


def test_sliding_is_independent_of_the_batch_size(predictor: Predictor) -> None:
    image = np.random.default_rng(0).integers(0, 256, (1, 30, 50, 3), dtype=np.uint8)
    one = predictor.masks(image, mode="sliding", overlap=0.5, batch_size=1)
    many = predictor.masks(image, mode="sliding", overlap=0.5, batch_size=7)
    assert np.array_equal(one, many)


def test_zoom_slides_over_a_stretched_image(predictor: Predictor) -> None:
    assert predictor.masks(flat(250, (100, 100)), mode="sliding", zoom=2).shape == (1, 100, 100)


def test_masks_of_another_size_can_be_requested(predictor: Predictor) -> None:
    assert predictor.masks(flat(9, (8, 12)), size=(16, 20)).shape == (1, 16, 20)
    assert predictor.masks(flat(9, (8, 12))[:0]).shape == (0, 8, 12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mode": "other"}, "mode must be one of resize, sliding"),
        ({"overlap": 1.0}, "overlap must be in"),
        ({"overlap": float("nan")}, "overlap must be in"),
        ({"zoom": 0.5}, "zoom must be 0 or at least 1"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
    ],
)
def test_impossible_arguments_are_named(
    predictor: Predictor, change: dict[str, object], message: str
) -> None:
    with pytest.raises(PackedModelError, match=message):
        predictor.masks(flat(0, (8, 12)), **change)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "images", [np.zeros((8, 12, 3), np.uint8), np.zeros((1, 8, 12, 3)), np.zeros((1, 8, 12, 4))]
)
def test_an_array_that_is_no_batch_of_images_is_refused(
    predictor: Predictor, images: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
) -> None:
    with pytest.raises(PackedModelError, match=r"uint8 of shape \[N, H, W, 3\]"):
        predictor.masks(images)


def test_the_code_that_is_packed_imports_nothing_of_ours() -> None:
    tree = ast.parse(Path(code.__file__).read_text())
    roots = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            roots |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            roots.add((node.module or "").split(".")[0])
    assert not roots & {"trainables", "orchestrator", "search_spaces", "cluster"}


@pytest.mark.parametrize("mode", ["resize", "sliding"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_logits_that_are_not_finite_are_refused(mode: str, value: float) -> None:
    def spoilt(images: torch.Tensor) -> torch.Tensor:
        logits = brightness(images)
        logits[-1, 1, 0, 0] = value
        return logits

    with pytest.raises(PackedModelError, match="logits are not finite, so it predicts no class"):
        Predictor(spoilt, DESCRIPTION).masks(flat(10, (9, 14)), mode=mode)
