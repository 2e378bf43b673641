"""The test split: listed in every layout, checked, apart from what is searched on."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from trainables.config import DataConfig, DataFormat
from trainables.data.checks.check import check_data
from trainables.data.digest import dataset_digest, join_digests, split_digest
from trainables.data.faults import DataError
from trainables.data.layouts.base import SEARCH_ROLES
from trainables.data.layouts.registry import open_layout
from trainables.data.synthetic.writer import MARKER

if TYPE_CHECKING:
    from pathlib import Path

FORMATS: tuple[DataFormat, ...] = ("folder", "cityscapes", "voc", "synthetic")


def pair(root: Path, form: DataFormat, split: str, name: str) -> tuple[Path, Path]:
    if form == "folder":
        return root / f"images/{split}/{name}.jpg", root / f"masks/{split}/{name}.png"
    if form == "voc":
        base = root / "VOCdevkit/VOC2012"
        return base / f"JPEGImages/{name}.jpg", base / f"SegmentationClass/{name}.png"
    stem = f"town_{name}_000019"
    return (
        root / f"leftImg8bit/{split}/town/{stem}_leftImg8bit.png",
        root / f"gtFine/{split}/town/{stem}_gtFine_labelIds.png",
    )


@pytest.fixture
def make(tmp_path: Path, write_sample: Any) -> Any:
    """Return a function that writes two images for each of three splits in any layout."""

    def write(form: DataFormat, **settings: Any) -> DataConfig:
        root = tmp_path / form
        lists = root / "VOCdevkit/VOC2012/ImageSets/Segmentation"
        for split in ("train", "val", "test"):
            names = [f"{split}{number}" for number in range(2)]
            for name in names:
                # of Cityscapes' ids 0 to 6 are ignored
                labels = (0, 7, 8, 11, 26) if form == "cityscapes" else (0, 1, 2, 7, 8)
                write_sample(*pair(root, form, split, name), labels=labels)
            if form == "voc":
                lists.mkdir(parents=True, exist_ok=True)
                (lists / f"{split}.txt").write_text("\n".join(names))
        if form == "voc":
            (lists / "trainval.txt").write_text("train0\nval0\n")
        given: dict[str, Any] = (
            {"class_names": ("a", "b", "c", *"defghi")} if form == "folder" else {}
        )
        return DataConfig(format=form, root=str(root), **given, **settings)

    def config(form: DataFormat, **settings: Any) -> DataConfig:
        if form != "synthetic":
            return write(form, **settings)
        counts = dict.fromkeys([f"synthetic_{n}_images" for n in ("train", "val", "test")], 2)
        return DataConfig(root=str(tmp_path / form), **counts, **settings)  # type: ignore[arg-type]

    return config


@pytest.mark.parametrize("form", FORMATS)
def test_each_layout_lists_its_own_test_split(make: Any, form: DataFormat) -> None:
    layout = open_layout(make(form, test_split="test"))
    assert layout.roles == ("train", "val", "test")
    images = [sample.image for role in layout.roles for sample in layout.samples(role)]
    assert len(set(images)) == 6
    assert all(sample.mask.is_file() for sample in layout.test)
    assert len(open_layout(make(form, test_split="test", max_test_images=1)).test) == 1


@pytest.mark.parametrize("form", FORMATS)
def test_the_digest_counts_the_test_split_only_where_it_is_set(make: Any, form: DataFormat) -> None:
    without, with_test = open_layout(make(form)), open_layout(make(form, test_split="test"))
    parts = [split_digest(without, without.samples(role)) for role in ("train", "val")]
    assert dataset_digest(without) == join_digests(parts)
    assert dataset_digest(with_test, roles=SEARCH_ROLES) == dataset_digest(without)
    assert dataset_digest(with_test) != dataset_digest(without)


@pytest.mark.parametrize("form", FORMATS)
def test_the_check_covers_the_test_split(make: Any, form: DataFormat) -> None:
    config = make(form, test_split="test")
    report = check_data(config)
    assert report.ok, report.faults
    assert [split.role for split in report.splits] == ["train", "val", "test"]
    assert report.split("test").images == 2
    assert sum(report.split("test").class_pixels) > 0
    assert report.digest == dataset_digest(open_layout(config))


@pytest.mark.parametrize(
    ("form", "split", "message"),
    [
        ("folder", "training", "data.test_split: is 'training', which is the split of data.train"),
        ("cityscapes", "val", "data.test_split: is 'val', which is the split of data.val_split"),
        ("voc", "trainval", "has 2 of its 2 images in common with the train split"),
        ("cityscapes", "dev", "data.test_split: there is no split 'dev'"),
        ("synthetic", "dev", "data.test_split: there is no split 'dev'"),
        ("voc", "dev", "dev.txt: the list of the split does not exist"),
        ("folder", "dev", "images/dev: there is no such folder"),
    ],
)
def test_a_split_that_is_not_held_out_or_not_there_is_a_fault(
    make: Any, form: DataFormat, split: str, message: str
) -> None:
    with pytest.raises(DataError) as caught:
        open_layout(make(form, test_split=split))
    assert message in str(caught.value)


def test_folders_that_hold_the_same_images_are_a_fault(make: Any) -> None:
    config = make("folder", test_split="test", images="images/train", masks="masks/train")
    with pytest.raises(DataError, match="2 of its 2 images in common"):
        open_layout(config)


def test_ade20k_has_no_test_split() -> None:
    with pytest.raises(DataError, match="'ade20k' has no test split with public masks; leave it"):
        open_layout(DataConfig(format="ade20k", root="nowhere", test_split="testing"))


def test_a_test_split_without_labels_is_a_fault_with_a_reason(make: Any) -> None:
    config = make("cityscapes", test_split="test")
    for sample in open_layout(config).test:
        Image.fromarray(np.zeros((12, 16), dtype=np.uint8)).save(sample.mask)
    report = check_data(config)
    assert not report.ok
    assert [fault.kind for fault in report.faults] == ["no labelled pixel"]
    assert "Cityscapes' own test split are not public" in str(report.faults[0])


def test_a_fault_in_the_test_split_is_reported(make: Any) -> None:
    config = make("folder", test_split="test")
    open_layout(config).test[0].mask.unlink()
    assert [fault.kind for fault in check_data(config).faults] == ["missing file"]


@pytest.mark.parametrize("role", ["train", "val"])
def test_an_image_that_is_also_in_another_split_is_a_warning(make: Any, role: Any) -> None:
    config = make("folder", test_split="test")
    layout = open_layout(config)
    twin = layout.samples(role)[0].image
    layout.test[0].image.write_bytes(twin.read_bytes())
    report = check_data(config)
    assert report.ok
    (warning,) = (w for w in report.warnings if w.kind == "same image in both splits")
    assert warning.path == str(layout.test[0].image)
    assert f"is also in split {role!r}, as {twin}" in warning.what


def test_scenes_of_a_test_split_leave_the_others_as_they_were(make: Any, tmp_path: Path) -> None:
    config = make("synthetic")

    def files() -> dict[str, str]:
        root = tmp_path / "synthetic"
        return {
            str(path.relative_to(root)): sha256(path.read_bytes()).hexdigest()
            for path in root.rglob("*.png")
        }

    open_layout(config)
    before = files()
    open_layout(replace(config, test_split="test"))
    after = files()
    assert before.items() < after.items()
    assert len(set(after.values())) == 12


def test_scenes_written_before_there_were_test_splits_are_kept(make: Any, tmp_path: Path) -> None:
    config = make("synthetic")
    open_layout(config)
    marker = tmp_path / "synthetic" / MARKER
    marker.write_text(marker.read_text().replace(' "test_images": 0,\n', ""))
    written = marker.stat().st_mtime_ns
    open_layout(config)
    assert "test_images" not in marker.read_text()
    assert marker.stat().st_mtime_ns == written
