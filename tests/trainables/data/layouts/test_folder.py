from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from trainables.config import DataConfig
from trainables.data.checks.check import check_data
from trainables.data.faults import DataError
from trainables.data.layouts.folder import class_names, open_folder
from trainables.data.layouts.registry import open_layout


def test_samples_pair_images_with_masks_of_the_same_stem(folder_config: DataConfig) -> None:
    layout = open_folder(folder_config)
    assert layout.class_names == ("road", "tree", "sky")
    assert len(layout.train) == 3
    assert len(layout.val) == 2
    for image, mask in layout.train + layout.val:
        assert (image.stem, mask.suffix) == (mask.stem, ".png")
        assert mask.is_file()


def test_nested_folders_are_mirrored(tmp_path: Path, write_sample: Any) -> None:
    for split in ("train", "val"):
        write_sample(
            tmp_path / "photos" / split / "city" / "a.jpeg",
            tmp_path / "labels" / split / "city" / "a.png",
        )
    config = DataConfig(
        format="folder",
        root=str(tmp_path),
        images="photos/{split}",
        masks="labels/{split}",
        class_names=("a", "b", "c"),
    )
    assert all(sample.mask.is_file() for sample in open_folder(config).train)


def test_synonyms_of_a_split_are_found(folder_config: DataConfig) -> None:
    root = Path(folder_config.root or "")
    (root / "images" / "val").rename(root / "images" / "validation")
    (root / "masks" / "val").rename(root / "masks" / "validation")
    assert len(open_folder(folder_config).val) == 2


def test_an_ignored_position_is_no_class(folder_config: DataConfig) -> None:
    config = replace(folder_config, ignore_index=0)
    assert class_names(config) == ("tree", "sky")
    assert open_folder(config).labels.table[:4] == (255, 0, 1, -1)


def test_all_faults_of_the_layout_are_reported_together(folder_config: DataConfig) -> None:
    root = Path(folder_config.root or "")
    for path in (root / "images" / "val").iterdir():
        path.unlink()
    broken = replace(folder_config, class_names=None, masks="gt/{split}")
    with pytest.raises(DataError) as caught:
        open_folder(broken)
    assert [fault.kind for fault in caught.value.faults] == [
        "setting",
        "missing folder",
        "missing folder",
    ]
    with pytest.raises(DataError, match="holds no image"):
        open_folder(folder_config)


def test_a_missing_root_is_one_fault(tmp_path: Path) -> None:
    config = DataConfig(format="folder", root=str(tmp_path / "none"), class_names=("a", "b"))
    with pytest.raises(DataError, match=r"no such folder; set data\.root"):
        open_folder(config)


def test_files_that_cannot_be_paired_are_raised_and_checked(folder_config: DataConfig) -> None:
    images = Path(folder_config.root or "") / "images" / "train"
    (images / "train0.png").write_bytes((images / "train0.jpg").read_bytes())
    with pytest.raises(DataError, match=r"train0\.png: is the mask of 2 images"):
        open_layout(folder_config)
    report = check_data(folder_config)
    assert [fault.kind for fault in report.faults] == ["shared mask"]
    assert report.split("train").images == 4


def test_a_split_of_other_files_lists_their_suffixes(folder_config: DataConfig) -> None:
    for path in (Path(folder_config.root or "") / "images" / "val").iterdir():
        path.rename(path.with_suffix(".heic"))
    with pytest.raises(DataError, match=r"holds no image; passed over 2 file.*2 \.heic"):
        open_folder(folder_config)


@pytest.mark.parametrize("inside", [True, False])
def test_a_linked_folder_of_images_is_checked_and_keeps_its_digest(
    folder_config: DataConfig, tmp_path: Path, *, inside: bool
) -> None:
    before = check_data(folder_config)
    images = Path(folder_config.root or "") / "images"
    pool = (Path(folder_config.root or "") if inside else tmp_path) / "pool"
    images.rename(pool)
    images.symlink_to(pool)
    after = check_data(folder_config)
    assert (after.faults, after.digest) == ((), before.digest)


def test_an_image_that_is_its_own_mask_is_a_fault(folder_config: DataConfig) -> None:
    root = Path(folder_config.root or "")
    mask = root / "masks" / "train" / "train0.png"
    mask.unlink()
    mask.symlink_to(root / "images" / "train" / "train0.jpg")
    faults = check_data(folder_config).faults
    assert any("is the same file as its image" in fault.what for fault in faults)
