from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainables.config import DataConfig
from trainables.data.checks.check import check_data
from trainables.data.digest import dataset_digest
from trainables.data.layouts.registry import open_layout


def root_of(config: DataConfig) -> Path:
    assert config.root is not None
    return Path(config.root)


def test_a_valid_data_set_is_counted_to_the_pixel(folder_config: DataConfig) -> None:
    seen: list[tuple[int, int]] = []
    report = check_data(folder_config, progress=lambda done, total: seen.append((done, total)))
    assert report.ok
    assert report.warnings == ()
    train = report.split("train")
    assert (train.images, train.sizes) == (3, ((12, 16, 3),))
    assert train.class_pixels == (3 * 4 * 16,) * 3
    assert train.class_images == (3, 3, 3)
    assert train.frequencies == pytest.approx((1 / 3,) * 3)
    assert train.ignored_share == 0
    assert seen == [(i, 5) for i in range(1, 6)]
    json.dumps(asdict(report))


def test_the_checks_digest_is_the_data_sets(folder_config: DataConfig, tmp_path: Path) -> None:
    report = check_data(folder_config, cache_dir=tmp_path / "cache")
    layout = open_layout(folder_config)
    assert report.digest == dataset_digest(layout)
    assert len(list((tmp_path / "cache" / "digests").iterdir())) == 2


def test_all_faults_are_reported_together(folder_config: DataConfig) -> None:
    root = root_of(folder_config)
    images, masks = root / "images", root / "masks"
    jpeg = (images / "train" / "train0.jpg").read_bytes()
    (images / "train" / "train0.jpg").write_bytes(jpeg[: len(jpeg) // 2])
    (images / "train" / "train1.jpg").write_bytes(b"")
    (masks / "train" / "train2.png").unlink()
    Image.fromarray(np.full((6, 16), 9, dtype=np.uint8)).save(masks / "val" / "val0.png")
    Image.new("RGB", (16, 12)).save(masks / "val" / "val1.png")
    report = check_data(folder_config)
    assert not report.ok
    assert [(Path(fault.path).name, fault.kind) for fault in report.faults] == [
        ("train0.jpg", "unreadable image"),
        ("train1.jpg", "unreadable image"),
        ("train2.png", "missing file"),
        ("val0.png", "size mismatch"),
        ("val0.png", "unknown label"),
        ("val1.png", "unreadable mask"),
    ]
    assert "broken or truncated" in report.faults[0].what
    assert "9 (96 pixels)" in report.faults[4].what
    assert len(report.splits) == 2


def test_links_out_of_the_root_are_faults_and_links_within_are_not(
    folder_config: DataConfig, tmp_path: Path
) -> None:
    root = root_of(folder_config)
    outside = tmp_path / "outside.jpg"
    inside = root / "images" / "train" / "train1.jpg"
    (root / "images" / "train" / "train0.jpg").rename(outside)
    (root / "images" / "train" / "train0.jpg").symlink_to(outside)
    moved = root / "moved.jpg"
    inside.rename(moved)
    inside.symlink_to(moved)
    report = check_data(folder_config)
    assert [fault.kind for fault in report.faults] == ["link out of the root"]
    assert str(outside) in report.faults[0].what


def test_a_root_that_is_itself_a_link_is_fine(folder_config: DataConfig, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root_of(folder_config))
    assert check_data(replace(folder_config, root=str(tmp_path / "link"))).ok


def test_a_link_in_a_circle_is_a_fault(folder_config: DataConfig) -> None:
    path = root_of(folder_config) / "masks" / "train" / "train0.png"
    path.unlink()
    path.symlink_to(path)
    assert {fault.path for fault in check_data(folder_config).faults} == {str(path)}


def test_names_with_newlines_are_shown_on_one_line(folder_config: DataConfig) -> None:
    root = root_of(folder_config)
    (root / "images" / "val" / "a\nb: fine.jpg").write_bytes(b"no image")
    report = check_data(folder_config)
    assert len(report.faults) == 2
    for fault in report.faults:
        assert "a\\nb" in str(fault)
        assert "\n" not in str(fault)


def test_names_of_invalid_utf8_are_read_and_escaped(folder_config: DataConfig) -> None:
    root = root_of(folder_config)
    (root / "images" / "val" / os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"")
    report = check_data(folder_config)
    assert "caf\\udce9.jpg" in str(report.faults[0])
    assert report.digest is not None


def test_an_empty_class_is_a_warning(folder_config: DataConfig) -> None:
    names = (*(folder_config.class_names or ()), "unicorn")
    report = check_data(replace(folder_config, class_names=names))
    assert report.ok
    assert [warning.kind for warning in report.warnings] == ["empty class", "empty class"]
    assert "'unicorn' has no pixel in split 'train'" in report.warnings[0].what


def test_an_image_in_both_splits_is_a_warning(folder_config: DataConfig) -> None:
    images = root_of(folder_config) / "images"
    same = (images / "train" / "train1.jpg").read_bytes()
    (images / "val" / "val0.jpg").write_bytes(same)
    report = check_data(folder_config)
    assert report.ok
    assert [warning.kind for warning in report.warnings] == ["same image in both splits"]
    assert "train1.jpg" in report.warnings[0].what


def test_a_missing_folder_is_a_report_and_no_exception() -> None:
    report = check_data(DataConfig(format="cityscapes", root="nowhere"))
    assert not report.ok
    assert report.digest is None
    assert all(fault.kind == "missing folder" for fault in report.faults)
    with pytest.raises(KeyError):
        report.split("train")


def test_the_street_photographs_have_no_faults() -> None:
    root = os.environ.get("SEGSWEEP_CAMVID")
    if root is None:
        pytest.skip("SEGSWEEP_CAMVID does not name the CamVid folder")
    config = DataConfig(
        format="folder",
        root=root,
        class_names=tuple(f"class {i}" for i in range(11)),
        ignore_index=11,
        max_train_images=20,
        max_val_images=20,
    )
    report = check_data(config)
    assert report.ok
    assert [split.images for split in report.splits] == [20, 20]
    assert sum(report.split("train").frequencies) == pytest.approx(1)
