from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from trainables.config import DataConfig
from trainables.data.checks.check import check_data
from trainables.data.faults import DataError
from trainables.data.layouts.cityscapes import open_cityscapes
from trainables.data.layouts.synthetic import CLASS_NAMES, open_synthetic

if TYPE_CHECKING:
    from pathlib import Path

SMALL = DataConfig(synthetic_train_images=4, synthetic_val_images=2)


def test_generated_scenes_are_valid(tmp_path: Path) -> None:
    report = check_data(SMALL, cache_dir=tmp_path)
    assert report.ok
    assert report.class_names == CLASS_NAMES
    assert [split.images for split in report.splits] == [4, 2]
    assert report.split("train").frequencies[CLASS_NAMES.index("road")] > 0.05


def test_a_given_root_is_used(tmp_path: Path) -> None:
    layout = open_synthetic(replace(SMALL, root=str(tmp_path / "scenes")), None)
    assert layout.root == tmp_path / "scenes"
    assert all(sample.mask.is_file() for sample in layout.train + layout.val)


def test_the_scenes_can_be_read_as_cityscapes(tmp_path: Path) -> None:
    config = replace(SMALL, root=str(tmp_path / "scenes"))
    drawn = open_synthetic(config, None)
    read = open_cityscapes(replace(config, format="cityscapes"))
    assert read.train == drawn.train
    assert len(read.class_names) == 19


def test_all_faults_of_the_settings_are_reported_together() -> None:
    config = DataConfig(synthetic_train_images=0, synthetic_seed=-1, val_split="dev")
    with pytest.raises(DataError) as caught:
        open_synthetic(config, None)
    assert [fault.path for fault in caught.value.faults] == [
        "data.root",
        "data.synthetic_train_images",
        "data.synthetic_seed",
        "data.val_split",
    ]
