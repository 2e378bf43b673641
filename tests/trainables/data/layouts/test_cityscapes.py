from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from torchvision.datasets import Cityscapes

from trainables.config import DataConfig
from trainables.data.checks.check import check_data
from trainables.data.faults import DataError
from trainables.data.layouts.cityscapes import CLASS_NAMES, id_map, open_cityscapes

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path, write_sample: Any) -> Path:
    for split, city in (("train", "aachen"), ("train", "ulm"), ("val", "lindau")):
        for index in range(2):
            stem = f"{city}_{index:06d}_000019"
            write_sample(
                tmp_path / "leftImg8bit" / split / city / f"{stem}_leftImg8bit.png",
                tmp_path / "gtFine" / split / city / f"{stem}_gtFine_labelIds.png",
                labels=(0, 7, 8, 26, 33),
            )
    return tmp_path


def config_of(root: Path, **settings: Any) -> DataConfig:
    return DataConfig(format="cityscapes", root=str(root), **settings)


def test_names_and_train_ids_are_torchvisions() -> None:
    trained = {c.train_id: c for c in Cityscapes.classes if c.train_id not in {-1, 255}}
    assert tuple(trained[i].name for i in range(19)) == CLASS_NAMES
    table = id_map(CLASS_NAMES).table
    assert all(table[entry.id] == train_id for train_id, entry in trained.items())
    ignored = [c.id for c in Cityscapes.classes if c.train_id == 255]
    assert all(table[raw] == 255 for raw in ignored)
    assert sum(0 <= train_id < 19 for train_id in table) == 19


def test_samples_and_train_ids_of_the_layout(root: Path) -> None:
    layout = open_cityscapes(config_of(root))
    assert [sample.image.parent.name for sample in layout.train] == ["aachen"] * 2 + ["ulm"] * 2
    assert len(layout.val) == 2
    mapped = layout.labels.apply(np.array([0, 7, 8, 26, 33], dtype=np.uint8))
    assert mapped.tolist() == [255, 0, 1, 13, 18]
    assert check_data(config_of(root)).ok


def test_masks_of_train_ids_are_the_fallback(root: Path) -> None:
    for mask in root.rglob("*_labelIds.png"):
        mask.rename(mask.with_name(mask.name.replace("labelIds", "labelTrainIds")))
    layout = open_cityscapes(config_of(root))
    assert all(sample.mask.is_file() for sample in layout.train + layout.val)
    assert layout.labels.known() == [*range(19), 255]


def test_a_missing_mask_does_not_change_the_kind_of_masks(root: Path) -> None:
    mask = next(root.rglob("*_labelIds.png"))
    mask.unlink()
    report = check_data(config_of(root))
    assert [(fault.kind, fault.path) for fault in report.faults] == [("missing file", str(mask))]


def test_files_that_are_no_images_are_passed_over(root: Path) -> None:
    (root / "leftImg8bit" / "train" / "ulm" / "Thumbs.db").touch()
    (root / "leftImg8bit" / "train" / "ulm" / ".ulm.png").touch()
    assert len(open_cityscapes(config_of(root)).train) == 4


def test_hidden_files_and_folders_among_the_cities_are_skipped(root: Path) -> None:
    split = root / "leftImg8bit" / "train"
    (split / ".DS_Store").touch()
    (split / "readme.txt").touch()
    (split / ".ipynb_checkpoints").mkdir()
    (split / ".ipynb_checkpoints" / "x_leftImg8bit.png").touch()
    layout = open_cityscapes(config_of(root))
    assert len(layout.train) == 4
    assert ["1 .txt (such as readme.txt)" in warning.what for warning in layout.warnings] == [True]


def test_missing_folders_are_reported_together(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        open_cityscapes(config_of(tmp_path))
    assert len(caught.value.faults) == 4


def test_archives_of_missing_folders_are_not_unpacked(tmp_path: Path) -> None:
    for name in ("leftImg8bit_trainvaltest.zip", "gtFine_trainvaltest.zip"):
        (tmp_path / name).touch()
    with pytest.raises(DataError, match="no such folder"):
        open_cityscapes(config_of(tmp_path))


def test_an_unknown_split_is_refused(root: Path) -> None:
    with pytest.raises(DataError, match="give one of train, val, test"):
        open_cityscapes(config_of(root, val_split="minival"))
