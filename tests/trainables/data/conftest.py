"""Small data sets written to disk for the tests of the data package."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pytest
from PIL import Image

from trainables.config import DataConfig

if TYPE_CHECKING:
    from pathlib import Path

WriteSample: TypeAlias = Callable[..., None]


@pytest.fixture
def write_sample() -> WriteSample:
    """Write a random image and a mask of the given raw labels, and nothing for None."""

    def write(
        image: Path,
        mask: Path,
        *,
        labels: tuple[int, ...] = (0, 1, 2),
        size: tuple[int, int] = (12, 16),
        seed: int = 0,
    ) -> None:
        rng = np.random.default_rng([seed, *image.as_posix().encode()])
        image.parent.mkdir(parents=True, exist_ok=True)
        mask.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(image)
        values = np.resize(np.array(labels, dtype=np.uint8), size[0])
        Image.fromarray(np.repeat(values[:, None], size[1], axis=1)).save(mask)

    return write


@pytest.fixture
def folder_config(tmp_path: Path, write_sample: WriteSample) -> DataConfig:
    """Return a sound data set of layout ``folder``: 3 + 2 images of 12 x 16, 3 classes."""
    root = tmp_path / "data"
    for split, count in (("train", 3), ("val", 2)):
        for index in range(count):
            write_sample(
                root / "images" / split / f"{split}{index}.jpg",
                root / "masks" / split / f"{split}{index}.png",
            )
    return DataConfig(format="folder", root=str(root), class_names=("road", "tree", "sky"))
