from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, ImageOps

from search_spaces.resolution import Resolution
from trainables.data.cache import cached_split
from trainables.data.checks.check import check_data
from trainables.data.decode import (
    aligned_labels,
    decode_labels,
    decode_picture,
)
from trainables.data.layouts.registry import open_layout
from trainables.data.masks.orientation import orientation_of, oriented

if TYPE_CHECKING:
    from trainables.config import DataConfig

PATH = Path("some.png")
LABELS = np.arange(12, dtype=np.uint8).reshape(3, 4)
ALL = range(1, 9)


def stored(pixels: np.ndarray, orientation: int, kind: str = "PNG") -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, exif=exif)
    return buffer.getvalue()


def displayed(data: bytes) -> np.ndarray:
    return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))


@pytest.mark.parametrize("orientation", ALL)
def test_masks_are_oriented_like_pillows_images(orientation: int) -> None:
    assert (oriented(LABELS, orientation) == displayed(stored(LABELS, orientation))).all()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", ALL)
def test_images_are_oriented_as_displayed(kind: str, orientation: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    data = stored(pixels, orientation, kind)
    picture = decode_picture(PATH, data)
    assert picture.orientation == orientation
    assert picture.image.size == ((30, 20) if orientation < 5 else (20, 30))
    assert (np.asarray(picture.image) == displayed(data)).all()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("orientation", ALL)
def test_a_masks_own_orientation_is_applied(kind: str, orientation: int) -> None:
    assert (
        decode_labels(PATH, stored(LABELS, orientation, kind)).labels
        == oriented(LABELS, orientation)
    ).all()


@pytest.mark.parametrize(
    ("orientation", "drawn_on"),
    [
        *((turn, drawn) for turn in ALL for drawn in ("displayed", "both tagged")),
        *((turn, drawn) for turn in (1, 5, 6, 7, 8) for drawn in ("stored", "displayed, tagged")),
    ],
)
def test_a_mask_of_either_size_is_aligned_with_its_image(orientation: int, drawn_on: str) -> None:
    pixels = np.repeat(LABELS[..., None], 3, axis=2)
    picture = decode_picture(PATH, stored(pixels, orientation))
    upright = oriented(LABELS, orientation)
    mask = {
        "stored": stored(LABELS, 1),
        "displayed": stored(upright, 1),
        "displayed, tagged": stored(upright, orientation),
        "both tagged": stored(LABELS, orientation),
    }[drawn_on]
    aligned = aligned_labels(picture, decode_labels(PATH, mask))
    assert (aligned == upright).all()
    assert (aligned == np.asarray(picture.image)[..., 0]).all()


def test_broken_exif_data_is_no_orientation() -> None:
    image = Image.open(io.BytesIO(stored(LABELS, 6)))
    image.info["exif"] = b"Exif\x00\x00II*\x00\xff\xff"
    assert orientation_of(image) in ALL
    exif = stored(LABELS, 99)
    assert decode_picture(PATH, exif).image.size == (4, 3)


def turn(config: DataConfig, orientation: int) -> None:
    for path in (Path(config.root or "") / "images").rglob("*.jpg"):
        with Image.open(path) as image:
            pixels = np.asarray(image)
        path.write_bytes(stored(pixels, orientation, "JPEG"))


def test_training_and_check_see_portrait_photographs_upright(
    folder_config: DataConfig, tmp_path: Path
) -> None:
    turn(folder_config, 6)
    report = check_data(folder_config)
    assert report.ok
    assert report.split("train").sizes == ((16, 12, 3),)
    split = cached_split(open_layout(folder_config), "train", Resolution(16, 12), tmp_path)
    rows = np.repeat(np.resize(np.arange(3), 12)[:, None], 16, axis=1)
    assert (split.masks()[0] == oriented(rows.astype(np.uint8), 6)).all()
    assert report.warnings == ()


def test_an_orientation_that_keeps_the_size_is_a_warning(folder_config: DataConfig) -> None:
    turn(folder_config, 3)
    report = check_data(folder_config)
    assert report.ok
    assert [warning.kind for warning in report.warnings] == ["unclear orientation"] * 2
    assert "as are 2 more of split 'train'" in report.warnings[0].what
