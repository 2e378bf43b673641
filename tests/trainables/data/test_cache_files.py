from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from search_spaces.resolution import Resolution
from trainables.data.cache_files import ArrayWriter, decoded_samples, fit_image, fit_mask
from trainables.data.layouts.registry import open_layout

if TYPE_CHECKING:
    from pathlib import Path

    from trainables.config import DataConfig


def test_written_rows_load_as_one_array(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).integers(0, 256, (5, 3, 4), dtype=np.uint8)
    with ArrayWriter(tmp_path / "rows.npy", rows.shape) as writer:
        for row in rows.swapaxes(1, 2):
            writer.append(row.swapaxes(0, 1))
    assert (np.load(tmp_path / "rows.npy", mmap_mode="r") == rows).all()


def test_samples_are_decoded_in_order(folder_config: DataConfig) -> None:
    layout = open_layout(folder_config)
    many = layout.train * 50
    full = Resolution(12, 16)
    decoded = [image for image, _ in decoded_samples(many, layout.labels, full, full)]
    assert len(decoded) == 150
    assert all((decoded[i] == decoded[i % 3]).all() for i in range(150))
    assert (decoded[0] != decoded[1]).any()


@settings(deadline=None, max_examples=50)
@given(height=st.integers(1, 40), width=st.integers(1, 40), factor=st.integers(1, 4))
def test_a_resized_mask_has_the_labels_of_the_nearest_pixels(
    height: int, width: int, factor: int
) -> None:
    mask = np.random.default_rng(height).integers(0, 5, (height, width), dtype=np.uint8)
    larger = fit_mask(mask, Resolution(height * factor, width * factor))
    assert (larger == mask.repeat(factor, axis=0).repeat(factor, axis=1)).all()
    assert (fit_mask(larger, Resolution(height, width)) == mask).all()


def test_a_resized_image_is_antialiased() -> None:
    board = np.indices((32, 32)).sum(axis=0) % 2 * 255
    image = Image.fromarray(np.repeat(board[..., None], 3, axis=2).astype(np.uint8))
    small = fit_image(image, Resolution(8, 8))
    assert small.shape == (8, 8, 3)
    assert (abs(small.astype(int) - 127) < 12).all()
