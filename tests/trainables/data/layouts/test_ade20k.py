from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from trainables.config import DataConfig
from trainables.data.checks.check import check_data
from trainables.data.faults import DataError
from trainables.data.layouts.ade20k import CLASS_NAMES, open_ade20k

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path, write_sample: Any) -> Path:
    base = tmp_path / "ADEChallengeData2016"
    for split, name in (("training", "ADE_train_00000001"), ("validation", "ADE_val_00000001")):
        write_sample(
            base / "images" / split / f"{name}.jpg",
            base / "annotations" / split / f"{name}.png",
            labels=(0, 1, 150),
        )
    return tmp_path


@pytest.mark.parametrize("place", ["", "ADEChallengeData2016"])
def test_other_is_ignored_and_classes_start_at_one(root: Path, place: str) -> None:
    config = DataConfig(format="ade20k", root=str(root / place))
    layout = open_ade20k(config)
    assert len(set(layout.class_names)) == 150
    assert layout.labels.table[:2] == (255, 0)
    assert layout.labels.table[150:152] == (149, -1)
    report = check_data(config)
    assert report.ok
    val = report.split("val")
    assert (val.ignored_pixels, val.class_pixels[0], val.class_pixels[149]) == (64, 64, 64)


def test_some_names_have_their_published_training_ids() -> None:
    places = {1: "wall", 3: "sky", 13: "person", 21: "car", 81: "bus", 128: "bicycle", 150: "flag"}
    assert {place: CLASS_NAMES[place - 1] for place in places} == places


def test_missing_folders_are_reported_together(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        open_ade20k(DataConfig(format="ade20k", root=str(tmp_path)))
    assert len(caught.value.faults) == 4


def test_a_split_without_images_is_reported(root: Path) -> None:
    next((root / "ADEChallengeData2016/images/validation").iterdir()).unlink()
    with pytest.raises(DataError, match="holds no image"):
        open_ade20k(DataConfig(format="ade20k", root=str(root)))
