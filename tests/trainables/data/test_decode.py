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
    decode_image,
    decode_mask,
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


def test_a_palettes_indices_are_the_labels() -> None:
    mask = Image.fromarray(LABELS).convert("L")
    mask.putpalette(list(np.random.default_rng(1).integers(0, 256, 768)))
    assert mask.mode == "P"
    assert decode_mask(PATH, encoded(mask)).tolist() == LABELS.tolist()


def test_a_16_bit_mask_of_small_labels_reads_as_8_bits() -> None:
    mask = decode_mask(PATH, encoded(Image.fromarray(LABELS.astype(np.uint16))))
    assert mask.dtype == np.uint8
    assert mask.tolist() == LABELS.tolist()


def test_a_16_bit_mask_keeps_labels_that_need_them() -> None:
    values = np.array([[0, 300]], dtype=np.uint16)
    mask = decode_mask(PATH, encoded(Image.fromarray(values)))
    assert mask.dtype == np.uint16
    assert count_labels(mask) == {0: 1, 300: 1}


def test_a_one_bit_mask_reads_as_zeros_and_ones() -> None:
    mask = Image.fromarray(np.array([[0, 255]], dtype=np.uint8)).convert("1")
    assert decode_mask(PATH, encoded(mask)).tolist() == [[0, 1]]


@pytest.mark.parametrize(("mode", "channels"), [("RGB", 3), ("RGBA", 4), ("LA", 2)])
def test_a_mask_of_colours_is_refused_with_what_to_do(mode: str, channels: int) -> None:
    with pytest.raises(DataError, match=rf"{mode} pixels \({channels} channels\).*palette PNG"):
        decode_mask(PATH, encoded(Image.new(mode, (4, 4))))


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "1", "CMYK"])
def test_images_of_all_8_bit_modes_become_rgb(mode: str) -> None:
    kind = "JPEG" if mode == "CMYK" else "PNG"
    image = decode_image(PATH, encoded(noise().convert(mode), kind))
    assert image.mode == "RGB"
    assert image.size == (50, 40)


def test_an_image_of_16_bits_is_refused() -> None:
    wide = Image.fromarray(np.full((4, 4), 40_000, dtype=np.uint16))
    with pytest.raises(DataError, match="convert it to 8-bit RGB"):
        decode_image(PATH, encoded(wide))


@settings(max_examples=40, deadline=None)
@given(share=st.floats(0, 0.95), kind=st.sampled_from(["JPEG", "PNG"]))
def test_a_cut_off_file_is_a_data_error_wherever_it_is_cut(share: float, kind: str) -> None:
    whole = encoded(noise(), kind)
    with pytest.raises(DataError) as caught:
        decode_image(PATH, whole[: int(share * len(whole))])
    assert caught.value.faults[0].kind == "unreadable image"


@settings(max_examples=100, deadline=None)
@given(data=st.binary(min_size=1), place=st.integers(0, 200))
def test_scrambled_bytes_raise_nothing_but_a_data_error(data: bytes, place: int) -> None:
    whole = encoded(Image.fromarray(LABELS))
    scrambled = whole[:place] + data + whole[place + len(data) :]
    faults: tuple[Fault, ...] = ()
    try:
        decode_mask(PATH, scrambled)
    except DataError as error:
        faults = error.faults
    assert all(fault.kind == "unreadable mask" for fault in faults)


def test_zero_bytes_and_missing_files_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    with pytest.raises(DataError, match="0 bytes"):
        read_image(tmp_path / "empty.png")
    with pytest.raises(DataError, match="this mask is not there"):
        read_mask(tmp_path / "none.png")
    with pytest.raises(DataError, match="cannot be read"):
        read_mask(tmp_path)


def test_a_pair_names_its_mismatch_and_its_unknown_labels() -> None:
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
