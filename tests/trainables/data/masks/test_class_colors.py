from __future__ import annotations

import io
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from search_spaces.resolution import Resolution
from trainables.config import DataConfig
from trainables.data.cache import cached_split
from trainables.data.checks.check import check_data
from trainables.data.decode import decode_labels
from trainables.data.faults import DataError
from trainables.data.layouts.registry import open_layout
from trainables.data.masks.class_colors import (
    class_color_faults,
    code_text,
    color_code,
    color_labels,
    color_text,
    is_void,
)

if TYPE_CHECKING:
    from collections.abc import Callable

PATH = Path("some.png")
COLORS = {"road": "#804080", "tree": "#6b8e23", "sky": "#4682b4", "void": "#000000"}
RGB = np.array(
    [[0x80, 0x40, 0x80], [0x6B, 0x8E, 0x23], [0x46, 0x82, 0xB4], [0, 0, 0]], dtype=np.uint8
)
CONFIG = DataConfig(
    format="folder", root="x", class_names=("road", "tree", "sky"), class_colors=COLORS
)
RAW = np.array([[0, 1, 2, 255], [2, 2, 1, 0]], dtype=np.uint8)


def encoded(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def colored(raw: np.ndarray) -> Image.Image:
    return Image.fromarray(RGB[np.where(raw == 255, 3, raw)])


def palette(raw: np.ndarray) -> Image.Image:
    image = Image.fromarray(np.where(raw == 255, 0, raw + 1).astype(np.uint8))
    image.putpalette([*RGB[3], *RGB[:3].reshape(-1), *[77] * 30])
    return image


def with_alpha(raw: np.ndarray) -> Image.Image:
    image = colored(raw)
    image.putalpha(200)
    return image


@pytest.mark.parametrize("make", [colored, palette, with_alpha])
def test_colours_become_the_labels_of_their_classes(
    make: Callable[[np.ndarray], Image.Image],
) -> None:
    mask = decode_labels(PATH, encoded(make(RAW)), color_labels(CONFIG))
    assert (mask.labels.tolist(), mask.unknown_colors) == (RAW.tolist(), {})


def test_a_grey_mask_holds_grey_colours_where_colours_are_given() -> None:
    colors = ((color_code("#000000"), 0), (color_code("#ffffff"), 1))
    mask = decode_labels(PATH, encoded(Image.fromarray(np.array([[0, 255]], np.uint8))), colors)
    assert mask.labels.tolist() == [[0, 1]]
    binary = Image.fromarray(np.array([[0, 255]], np.uint8)).convert("1")
    assert decode_labels(PATH, encoded(binary), colors).labels.tolist() == [[0, 1]]


def test_a_palette_without_colours_is_read_by_its_indices() -> None:
    assert decode_labels(PATH, encoded(palette(RAW))).labels.tolist() == [
        [1, 2, 3, 0],
        [3, 3, 2, 1],
    ]


def test_transparency_that_varies_is_refused() -> None:
    image = with_alpha(RAW)
    image.putpixel((0, 0), (0, 0, 0, 10))
    with pytest.raises(DataError, match="transparency that varies, from 10 to 200"):
        decode_labels(PATH, encoded(image), color_labels(CONFIG))


def test_an_unknown_colour_of_pixels_and_palette_is_counted() -> None:
    for image in (colored(RAW), colored(RAW).convert("P", palette=Image.Palette.ADAPTIVE)):
        strange = image.convert("RGB")
        strange.putpixel((1, 1), (1, 2, 3))
        shown = strange if image.mode == "RGB" else strange.quantize(16)
        mask = decode_labels(PATH, encoded(shown), color_labels(CONFIG))
        assert {code_text(code): n for code, n in mask.unknown_colors.items()} == {"#010203": 1}


def test_a_large_colour_mask_is_read_in_milliseconds() -> None:
    raw = np.random.default_rng(0).integers(0, 3, (720, 1280), dtype=np.uint8)
    data, colors = encoded(colored(raw)), color_labels(CONFIG)
    decode_labels(PATH, data, colors)
    began = time.process_time()
    Image.open(io.BytesIO(data)).load()
    plain = time.process_time() - began
    began = time.process_time()
    decode_labels(PATH, data, colors)
    assert time.process_time() - began - plain < 0.1  # 10 ms on a quiet machine


@pytest.fixture
def colour_set(folder_config: DataConfig) -> DataConfig:
    for path in (Path(folder_config.root or "") / "masks").rglob("*.png"):
        with Image.open(path) as mask:
            raw = np.array(mask)
        raw[0, 0] = 255
        colored(raw).save(path)
    return replace(folder_config, class_colors=COLORS)


def test_a_colour_data_set_is_checked_and_cached_like_its_labels(
    colour_set: DataConfig, tmp_path: Path
) -> None:
    report = check_data(colour_set)
    assert (report.faults, report.warnings) == ((), ())
    assert report.split("train").ignored_pixels == 3
    masks = cached_split(open_layout(colour_set), "train", Resolution(12, 16), tmp_path).masks()
    assert masks[0][0, 0] == 255
    assert masks[0][1, 0] == 1
    swapped = replace(
        colour_set, class_colors={**COLORS, "tree": COLORS["sky"], "sky": COLORS["tree"]}
    )
    other = cached_split(open_layout(swapped), "train", Resolution(12, 16), tmp_path).masks()
    assert other[0][1, 0] == 2


def test_an_unknown_colour_is_reported_once_with_pixels_and_file(
    colour_set: DataConfig, tmp_path: Path
) -> None:
    masks = sorted((Path(colour_set.root or "") / "masks" / "train").iterdir())
    for path in masks[:2]:
        with Image.open(path) as mask:
            mask.load()
            mask.putpixel((3, 3), (9, 9, 9))
            mask.save(path)
    (fault,) = check_data(colour_set).faults
    assert (fault.kind, fault.path) == ("unknown color", str(masks[0]))
    assert fault.what == "unknown colour #090909 (2 pixels)"
    with pytest.raises(DataError, match=r"unknown colour #090909 \(1 pixels\)"):
        cached_split(open_layout(colour_set), "train", Resolution(12, 16), tmp_path)


@pytest.mark.parametrize(
    ("colors", "what"),
    [
        ({**COLORS, "tree": "#804080"}, "gives #804080 to 'road', 'tree'"),
        ({**COLORS, "car": "#010101"}, "names 'car', not among"),
        ({"road": "#804080"}, "has no colour for 'tree', 'sky'"),
        ({**COLORS, "sky": "blue"}, "a colour is"),
    ],
)
def test_all_faults_of_class_colors_are_reported(colors: dict[str, str], what: str) -> None:
    faults = class_color_faults(replace(CONFIG, class_colors=colors))
    assert [what in fault.what for fault in faults] == [True]
    with pytest.raises(DataError):
        open_layout(replace(CONFIG, class_colors=colors))


def test_colours_are_for_the_layout_folder() -> None:
    (fault,) = class_color_faults(DataConfig(format="voc", root="x", class_colors=COLORS))
    assert "is for format 'folder'" in fault.what


def test_an_ignored_position_may_have_its_colour_or_none() -> None:
    names = ("void", "road", "tree", "sky")
    config = replace(CONFIG, class_names=names, ignore_index=0)
    assert class_color_faults(config) == []
    assert dict(color_labels(config))[color_code("#000000")] == 0
    bare = {name: color for name, color in COLORS.items() if name != "void"}
    assert class_color_faults(replace(config, class_colors=bare)) == []


@pytest.mark.parametrize("value", [[128, 64, 128], (128, 64, 128), "#804080", "#804080".upper()])
def test_a_colour_is_three_numbers_or_a_text(value: Any) -> None:
    assert color_text(value) == "#804080"
    assert code_text(color_code("#804080")) == "#804080"


@pytest.mark.parametrize("value", [None, "red", "#fff", [1, 2], [0, 0, 256], [True, 0, 0], 7])
def test_other_values_are_no_colour(value: Any) -> None:
    with pytest.raises(ValueError, match=r"a colour is \[R, G, B\]"):
        color_text(value)


@pytest.mark.parametrize(
    "name",
    ["void", "Void", "unlabeled", "unlabelled area", "ignore", "background", "don't care", "_"],
)
def test_names_of_ignored_pixels_count_as_void(name: str) -> None:
    assert is_void(name)


@pytest.mark.parametrize("name", ["road", "sky", "tree", "a", "forest", "avoid_zone", "mother"])
def test_class_names_do_not_count_as_void(name: str) -> None:
    assert not is_void(name)
