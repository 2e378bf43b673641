"""A tiny labelled data set on disk, for whatever trains."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from trainables.config import DataConfig

if TYPE_CHECKING:
    from pathlib import Path

CLASSES = ("ground", "wall", "sky")


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> DataConfig:
    """Eight training and four validation images of 32x48 in three classes, with ignored pixels."""
    root = tmp_path_factory.mktemp("tiny_data")
    rng = np.random.default_rng(7)
    for split, count in (("train", 8), ("val", 4)):
        for number in range(count):
            _write_pair(root, split, number, rng)
    return DataConfig(format="folder", root=str(root), class_names=CLASSES)


@pytest.fixture(scope="session")
def tiny_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cache folder that tests share, so that the images are decoded once."""
    return tmp_path_factory.mktemp("tiny_cache")


def _write_pair(root: Path, split: str, number: int, rng: np.random.Generator) -> None:
    mask = np.zeros((32, 48), dtype=np.uint8)
    mask[: int(rng.integers(6, 14))] = 2
    left, width = int(rng.integers(0, 30)), int(rng.integers(8, 18))
    mask[8:24, left : left + width] = 1
    colours = np.array([[90, 90, 90], [200, 60, 40], [60, 120, 230]])
    image = np.clip(colours[mask] + rng.normal(0, 12, (32, 48, 3)), 0, 255).astype(np.uint8)
    mask[30:, :5] = 255
    for folder, pixels in (("images", image), ("masks", mask)):
        path = root / folder / split
        path.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path / f"{number:02d}.png")
