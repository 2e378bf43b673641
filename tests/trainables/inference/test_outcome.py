from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from trainables.data.decode import read_mask
from trainables.inference.outcome import class_shares, overlay, shares_csv, write_outcome
from trainables.io.pictures import class_palette

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

NAMES = ("road", "car", "sky")


@given(
    mask=arrays(
        np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 2)
    )
)
def test_shares_are_counts_over_pixels(mask: NDArray[np.uint8]) -> None:
    shares = class_shares(mask, NAMES)
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["car"] == (mask == 1).mean()


def test_masks_are_read_back_as_classes(tmp_path: Path) -> None:
    mask = np.array([[0, 1, 2], [2, 2, 0]], dtype=np.uint8)
    image = np.full((2, 3, 3), 100, dtype=np.uint8)
    outcome = write_outcome(tmp_path, "a/b", image, mask, NAMES)
    assert np.array_equal(read_mask(tmp_path / "masks/a/b.png"), mask)
    assert Image.open(tmp_path / "overlays/a/b.png").size == (3, 2)
    assert shares_csv([outcome], NAMES) == "image,road,car,sky\na/b,0.333333,0.166667,0.500000\n"


def test_an_overlay_lies_between_image_and_class_colour() -> None:
    palette = class_palette(3)
    image = np.full((1, 1, 3), 200, dtype=np.uint8)
    tinted = np.asarray(overlay(image, np.array([[1]], dtype=np.uint8), palette))[0, 0]
    for mixed, colour in zip(tinted, palette[1], strict=True):
        assert mixed == pytest.approx((200 + float(colour)) / 2, abs=1)
