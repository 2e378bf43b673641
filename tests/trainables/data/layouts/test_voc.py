from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from trainables.config import DataConfig
from trainables.data.checks.check import check_data
from trainables.data.faults import DataError
from trainables.data.layouts.voc import CLASS_NAMES, open_voc

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path, write_sample: Any) -> Path:
    base = tmp_path / "VOCdevkit" / "VOC2012"
    lists = base / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    for split, names in (("train", ("2007_1", "2007_2")), ("val", ("2008_1",))):
        (lists / f"{split}.txt").write_text("\n".join(names) + "\n\n")
        for name in names:
            image, mask = base / f"JPEGImages/{name}.jpg", base / f"SegmentationClass/{name}.png"
            write_sample(image, mask)
            palette = Image.fromarray(np.full((12, 16), 15, dtype=np.uint8))
            palette.putpalette([200, 10, 10] * 256)
            palette.putpixel((0, 0), 255)
            palette.putpixel((1, 0), 0)
            palette.save(mask)
    return tmp_path


def config_of(root: Path, **settings: Any) -> DataConfig:
    return DataConfig(format="voc", root=str(root), **settings)


@pytest.mark.parametrize("place", ["", "VOCdevkit", "VOCdevkit/VOC2012"])
def test_palette_masks_are_read_as_classes_from_any_of_its_folders(root: Path, place: str) -> None:
    report = check_data(config_of(root / place))
    assert report.ok
    assert report.class_names == CLASS_NAMES
    train = report.split("train")
    assert (train.images, train.ignored_pixels) == (2, 2)
    assert train.class_pixels[CLASS_NAMES.index("person")] == 2 * (12 * 16 - 2)


def test_the_listed_images_are_the_samples(root: Path) -> None:
    layout = open_voc(config_of(root, train_split="training", val_split="validation"))
    assert [sample.image.stem for sample in layout.train] == ["2007_1", "2007_2"]
    assert len(layout.class_names) == 21
    assert layout.labels.known() == [*range(21), 255]


def test_missing_folders_and_lists_are_reported(root: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"set data\.root to the folder that holds VOCdevkit"):
        open_voc(config_of(tmp_path / "elsewhere"))
    with pytest.raises(DataError, match=r"trainval\.txt: the list of the split does not exist"):
        open_voc(config_of(root, train_split="trainval"))
    (root / "VOCdevkit/VOC2012/ImageSets/Segmentation/val.txt").write_text("\n")
    with pytest.raises(DataError, match="names no image"):
        open_voc(config_of(root))


def test_a_list_with_paths_out_of_the_root_is_a_fault(root: Path, write_sample: Any) -> None:
    write_sample(root.parent / "secret.jpg", root.parent / "secret.png")
    listing = root / "VOCdevkit/VOC2012/ImageSets/Segmentation/val.txt"
    listing.write_text("../../../../secret\n")
    kinds = {fault.kind for fault in check_data(config_of(root)).faults}
    assert "link out of the root" in kinds


def test_listed_names_match_any_suffix_but_not_two(root: Path) -> None:
    base = root / "VOCdevkit" / "VOC2012"
    (base / "JPEGImages/2008_1.jpg").rename(base / "JPEGImages/2008_1.JPEG")
    (base / "SegmentationClass/2008_1.png").rename(base / "SegmentationClass/2008_1.PNG")
    assert check_data(config_of(root)).ok
    (base / "JPEGImages/2008_1.png").write_bytes((base / "JPEGImages/2008_1.JPEG").read_bytes())
    assert [fault.kind for fault in check_data(config_of(root)).faults] == ["several images"]
