from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from trainables.io.pictures import PANEL_HEIGHT, class_palette, prediction_picture, save_picture

if TYPE_CHECKING:
    from pathlib import Path

IMAGE = np.full((24, 32, 3), 128, dtype=np.uint8)
MASK = np.zeros((24, 32), dtype=np.int64)
NAMES = ("road", "sky", "car")


def colours(picture: Image.Image) -> set[tuple[int, ...]]:
    return {tuple(colour) for colour in np.asarray(picture).reshape(-1, 3).tolist()}


def test_every_class_has_a_distinct_colour() -> None:
    palette = class_palette(150)
    assert palette.shape == (256, 3)
    assert len({tuple(colour) for colour in palette[:150].tolist()}) == 150
    assert palette[150:].max() == 0


def test_a_class_has_one_colour_for_any_number_of_classes() -> None:
    assert np.array_equal(class_palette(5)[:5], class_palette(19)[:5])


def test_neighbouring_classes_look_different() -> None:
    palette = class_palette(40)[:40].astype(int)
    distances = [np.abs(palette[i] - palette[j]).sum() for i in range(40) for j in range(i)]
    assert min(distances) > 8
    assert min(np.abs(palette[:-1] - palette[1:]).sum(1)) > 100


def test_a_picture_has_three_panels_and_a_legend() -> None:
    prediction = MASK.copy()
    prediction[:, 16:] = 2
    picture = prediction_picture(IMAGE, MASK, prediction, NAMES)
    assert picture.width > 3 * 32 * PANEL_HEIGHT / 24
    assert picture.height > PANEL_HEIGHT
    palette = class_palette(3)
    present = colours(picture)
    assert tuple(palette[0].tolist()) in present
    assert tuple(palette[2].tolist()) in present
    assert tuple(palette[1].tolist()) not in present


def test_ignored_pixels_are_black_in_both_panels() -> None:
    mask = MASK.copy()
    mask[:12] = 255
    plain = prediction_picture(IMAGE, MASK, MASK, NAMES)
    ignored = prediction_picture(IMAGE, mask, MASK, NAMES)
    assert (0, 0, 0) not in colours(plain)
    black = (np.asarray(ignored) == 0).all(2).sum()
    scale = PANEL_HEIGHT // 24
    assert black == 2 * 12 * 32 * scale**2


def test_the_image_takes_the_size_of_the_mask() -> None:
    small = np.full((12, 16, 3), 128, dtype=np.uint8)
    sizes = {prediction_picture(image, MASK, MASK, NAMES).size for image in (IMAGE, small)}
    assert len(sizes) == 1


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="one shape"):
        prediction_picture(IMAGE, MASK, MASK[:-1], NAMES)


def test_a_long_legend_is_broken_into_rows() -> None:
    mask = np.arange(24 * 32).reshape(24, 32) % 150
    many = prediction_picture(IMAGE, mask, mask, [f"class {label}" for label in range(150)])
    few = prediction_picture(IMAGE, MASK, MASK, NAMES)
    assert many.width == few.width
    assert many.height > few.height + 100


def test_pictures_are_written_as_png(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "a.png"
    save_picture(prediction_picture(IMAGE, MASK, MASK, NAMES), path)
    with Image.open(path) as opened:
        assert opened.format == "PNG"
