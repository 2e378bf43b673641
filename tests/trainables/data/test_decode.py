from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from trainables.data.decode import (
    count_labels,
    decode_labels,
    decode_picture,
    pair_faults,
    ranges,
    read_image,
    read_mask,
)
from trainables.data.faults import DataError, Fault
from trainables.data.layouts.base import SamplePaths
from trainables.data.masks.labels import LabelMap

PATH = Path("some.png")
LABELS = np.array([[0, 1, 2], [2, 11, 255]], dtype=np.uint8)


def encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def noise(size: tuple[int, int] = (40, 50)) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8))


def test_palette_indices_are_the_labels() -> None:
    mask = Image.fromarray(LABELS).convert("L")
    mask.putpalette(list(np.random.default_rng(1).integers(0, 256, 768)))
    assert mask.mode == "P"
    assert decode_labels(PATH, encoded(mask)).labels.tolist() == LABELS.tolist()


def test_a_16_bit_mask_of_small_labels_is_read_as_8_bits() -> None:
    mask = decode_labels(PATH, encoded(Image.fromarray(LABELS.astype(np.uint16)))).labels
    assert mask.dtype == np.uint8
    assert mask.tolist() == LABELS.tolist()


def test_a_16_bit_mask_keeps_labels_that_need_them() -> None:
    values = np.array([[0, 300]], dtype=np.uint16)
    mask = decode_labels(PATH, encoded(Image.fromarray(values))).labels
    assert mask.dtype == np.uint16
    assert count_labels(mask) == {0: 1, 300: 1}


def test_a_1_bit_mask_is_read_as_zeros_and_ones() -> None:
    mask = Image.fromarray(np.array([[0, 255]], dtype=np.uint8)).convert("1")
    assert decode_labels(PATH, encoded(mask)).labels.tolist() == [[0, 1]]


@pytest.mark.parametrize(("mode", "channels"), [("RGB", 3), ("RGBA", 4), ("LA", 2)])
def test_a_mask_of_colours_raises_with_a_remedy(mode: str, channels: int) -> None:
    with pytest.raises(DataError, match=rf"{mode} pixels \({channels} channels\).*palette PNG"):
        decode_labels(PATH, encoded(Image.new(mode, (4, 4))))


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "1", "CMYK"])
def test_images_of_all_8_bit_modes_become_rgb(mode: str) -> None:
    kind = "JPEG" if mode == "CMYK" else "PNG"
    image = decode_picture(PATH, encoded(noise().convert(mode), kind)).image
    assert image.mode == "RGB"
    assert image.size == (50, 40)


def test_an_image_of_16_bits_is_refused() -> None:
    wide = Image.fromarray(np.full((4, 4), 40_000, dtype=np.uint16))
    with pytest.raises(DataError, match="convert it to 8-bit RGB"):
        decode_picture(PATH, encoded(wide))


@settings(max_examples=40, deadline=None)
@given(share=st.floats(0, 0.95), kind=st.sampled_from(["JPEG", "PNG"]))
def test_a_file_truncated_anywhere_is_a_data_error(share: float, kind: str) -> None:
    whole = encoded(noise(), kind)
    with pytest.raises(DataError) as caught:
        decode_picture(PATH, whole[: int(share * len(whole))])
    assert caught.value.faults[0].kind == "unreadable image"


@settings(max_examples=100, deadline=None)
@given(data=st.binary(min_size=1), place=st.integers(0, 200))
def test_corrupted_bytes_raise_data_errors_only(data: bytes, place: int) -> None:
    whole = encoded(Image.fromarray(LABELS))
    scrambled = whole[:place] + data + whole[place + len(data) :]
    faults: tuple[Fault, ...] = ()
    try:
        decode_labels(PATH, scrambled)
    except DataError as error:
        faults = error.faults
    assert all(fault.kind == "unreadable mask" for fault in faults)


def test_empty_missing_and_unreadable_files_are_distinguished(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    with pytest.raises(DataError, match="0 bytes"):
        read_image(tmp_path / "empty.png")
    with pytest.raises(DataError, match="this mask does not exist"):
        read_mask(tmp_path / "none.png")
    with pytest.raises(DataError, match="cannot be read"):
        read_mask(tmp_path)


def test_size_mismatches_and_unknown_labels_are_reported() -> None:
    labels = LabelMap.of({0: 0, 1: 1, 2: 2}, ignored=[255])
    sample = SamplePaths(Path("a.jpg"), Path("a.png"))
    faults = pair_faults(sample, noise(), LABELS, labels, count_labels(LABELS))
    assert [fault.kind for fault in faults] == ["size mismatch", "unknown label"]
    assert "is 3x2, its image a.jpg is 50x40" in faults[0].what
    assert faults[1].what == "unknown label 11 (1 pixels)"
    assert "known are 0-2, 255" in faults[1].remedy


@settings(deadline=None, max_examples=50)
@given(st.sets(st.integers(0, 300)))
def test_ranges_cover_exactly_the_values(values: set[int]) -> None:
    text = ranges(sorted(values))
    covered: set[int] = set()
    for run in filter(None, text.split(", ")):
        low, _, high = run.partition("-")
        covered |= set(range(int(low), int(high or low) + 1))
    assert covered == values
