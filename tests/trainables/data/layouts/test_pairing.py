from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

import pytest

from trainables.data.decode import read_mask
from trainables.data.faults import DataError
from trainables.data.layouts.pairing import Pairing, pair_folders

if TYPE_CHECKING:
    from pathlib import Path


def pairs(root: Path, images: list[str], masks: list[str]) -> Pairing:
    for folder, names in (("images", images), ("masks", masks)):
        (root / folder).mkdir(exist_ok=True)
        for name in names:
            (root / folder / name).parent.mkdir(parents=True, exist_ok=True)
            (root / folder / name).touch()
    return pair_folders(root / "images", root / "masks")


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("a.jpg", "a.PNG"),
        ("a.JPG", "a.png"),
        ("a.jfif", "a.tif"),
        ("a.webp", "a.TIFF"),
        ("a.tif", "a.bmp"),
        ("a.b.jpg", "a.b.png"),
        ("a.jpg ", "a.png"),
        ("a .jpg", "a .png"),
        ("city/a.jpg", "city/a.png"),
        ("A.jpg", "a.png"),
        ("City/a.jpg", "city/A.png"),
        (
            unicodedata.normalize("NFC", "Straße é.jpg"),
            unicodedata.normalize("NFD", "Straße é.png"),
        ),
        (unicodedata.normalize("NFD", "é.jpg"), unicodedata.normalize("NFC", "É.png")),
    ],
)
def test_an_image_is_paired_with_its_mask(tmp_path: Path, image: str, mask: str) -> None:
    pairing = pairs(tmp_path, [image], [mask])
    assert pairing.samples == [(tmp_path / "images" / image, tmp_path / "masks" / mask)]
    assert (pairing.faults, pairing.warnings) == ([], [])


def test_names_that_differ_in_case_alone_keep_their_own_masks(tmp_path: Path) -> None:
    pairing = pairs(tmp_path, ["a.jpg", "A.jpg"], ["a.png", "A.png"])
    assert all(image.stem == mask.stem for image, mask in pairing.samples)
    assert pairing.faults == []


@pytest.mark.parametrize(
    "images", [["a.jpg", "a.png"], ["a.jpg", "A.JPG"], ["a.jpg", "a.JPG"], ["a.b.jpg", "a.b.tif"]]
)
def test_two_images_never_share_a_mask(tmp_path: Path, images: list[str]) -> None:
    stem = images[0].rsplit(".", 1)[0]
    (fault,) = pairs(tmp_path, images, [f"{stem}.png"]).faults
    assert fault.kind == "shared mask"
    assert all(str(tmp_path / "images" / name) in fault.what for name in images)


def test_two_masks_of_an_image_are_a_fault_that_names_both(tmp_path: Path) -> None:
    (fault,) = pairs(tmp_path, ["a.jpg"], ["a.png", "a.tif"]).faults
    assert fault.kind == "several masks"
    assert "a.png" in fault.what
    assert "a.tif" in fault.what


def test_masks_without_an_image_are_reported(tmp_path: Path) -> None:
    pairing = pairs(tmp_path, ["a.jpg"], ["a.png", "b.png", "c/d.tif"])
    unused = [w.path for w in pairing.warnings if w.kind == "mask without an image"]
    assert unused == [str(tmp_path / "masks" / name) for name in ("b.png", "c/d.tif")]


@pytest.mark.parametrize("lies", ["a.jpg", "a.npy", "A.json", "a_mask.png", "a.jpg.png"])
def test_a_missing_mask_reports_similar_files(tmp_path: Path, lies: str) -> None:
    (sample,) = pairs(tmp_path, ["a.jpg"], [lies]).samples
    assert sample.mask == tmp_path / "masks" / "a.png"
    with pytest.raises(DataError, match=rf"this mask does not exist, but {lies} does"):
        read_mask(sample.mask)


def test_a_shared_folder_is_divided_by_file_format(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.png", "b.webp", "b.tif", "c.png"):
        (tmp_path / name).touch()
    pairing = pair_folders(tmp_path, tmp_path)
    assert [(s.image.name, s.mask.name) for s in pairing.samples] == [
        ("a.jpg", "a.png"),
        ("b.webp", "b.tif"),
    ]
    assert [warning.path for warning in pairing.warnings] == [str(tmp_path / "c.png")]


def test_a_folder_of_png_alone_is_not_paired_with_itself(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    pairing = pair_folders(tmp_path, tmp_path)
    assert pairing.samples == []
    assert [fault.kind for fault in pairing.faults] == ["no images"]


@pytest.mark.parametrize("linked", [False, True])
def test_masks_inside_the_images_folder_are_no_images(tmp_path: Path, *, linked: bool) -> None:
    masks = tmp_path / ("pool" if linked else "images/masks")
    (tmp_path / "images").mkdir()
    masks.mkdir()
    for path in (tmp_path / "images" / "a.png", masks / "a.png"):
        path.touch()
    if linked:
        (tmp_path / "images" / "masks").symlink_to(masks)
    pairing = pair_folders(tmp_path / "images", tmp_path / "images" / "masks")
    assert [sample.image.name for sample in pairing.samples] == ["a.png"]
    assert len(pairing.samples) == 1
    assert pairing.warnings == []


def test_images_inside_the_masks_folder_are_no_masks(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for path in (tmp_path / "images" / "a.png", tmp_path / "a.png"):
        path.touch()
    pairing = pair_folders(tmp_path / "images", tmp_path)
    assert pairing.samples == [(tmp_path / "images" / "a.png", tmp_path / "a.png")]
    assert pairing.warnings == []
