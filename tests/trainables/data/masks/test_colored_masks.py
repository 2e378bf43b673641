from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from trainables.data.masks.class_colors import color_code
from trainables.data.masks.colored_masks import NoColorsError, labels_of_colors

COLORS = ("#804080", "#00008e", "#777777")
LABELS = (3, 0, 255)
CODES = tuple(zip(map(color_code, COLORS), LABELS, strict=True))


def colored(indices: np.ndarray, colors: tuple[str, ...] = COLORS) -> Image.Image:
    table = np.array([list(bytes.fromhex(color[1:])) for color in colors], dtype=np.uint8)
    return Image.fromarray(table[indices])


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 2), min_size=1, max_size=20), st.sampled_from(["RGB", "RGBA", "P"]))
def test_every_pixel_gets_the_label_of_its_colour(row: list[int], mode: str) -> None:
    image = colored(np.array([row]))
    image = image.quantize(colors=4) if mode == "P" else image.convert(mode)
    labels, unknown = labels_of_colors(image, CODES)
    assert labels.tolist() == [[LABELS[index] for index in row]]
    assert unknown == {}


@pytest.mark.parametrize("mode", ["RGB", "P"])
def test_pixels_of_unknown_colours_are_counted(mode: str) -> None:
    colors = (*COLORS, "#ff0000", "#00ff00")
    image = colored(np.array([[3, 3, 4], [0, 1, 3]]), colors)
    image = image.quantize(colors=8) if mode == "P" else image
    _, unknown = labels_of_colors(image, CODES)
    assert unknown == {color_code("#ff0000"): 3, color_code("#00ff00"): 1}


def test_grey_values_are_colours_of_equal_parts() -> None:
    labels, unknown = labels_of_colors(Image.new("L", (2, 1), 0x77), CODES)
    assert labels.tolist() == [[255, 255]]
    assert unknown == {}


def test_uniform_transparency_is_ignored_and_varying_transparency_raises() -> None:
    image = colored(np.array([[0, 1]])).convert("RGBA")
    image.putalpha(7)
    assert labels_of_colors(image, CODES)[0].tolist() == [[3, 0]]
    image.putpixel((0, 0), (128, 64, 128, 255))
    with pytest.raises(NoColorsError, match="varies, from 7 to 255"):
        labels_of_colors(image, CODES)


def test_16_bit_pixels_raise() -> None:
    image = Image.fromarray(np.zeros((1, 1), dtype=np.uint16))
    with pytest.raises(NoColorsError, match="not 8-bit colours"):
        labels_of_colors(image, CODES)
