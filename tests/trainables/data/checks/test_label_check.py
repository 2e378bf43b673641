from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from trainables.config import DataConfig
from trainables.data.checks.check import check_data
from trainables.data.checks.label_check import check_labels, check_resized
from trainables.data.checks.report import SplitReport
from trainables.data.layouts.ade20k import CLASS_NAMES as ADE
from trainables.data.masks.labels import IGNORE, LabelMap

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trainables.data.layouts.base import SplitRole


def split(
    role: SplitRole, raw: Mapping[int, int], labels: LabelMap, classes: int = 3
) -> SplitReport:
    pixels = [0] * classes
    ignored = 0
    for value, count in raw.items():
        train_id = labels.table[value]
        if train_id == IGNORE:
            ignored += count
        elif train_id >= 0:
            pixels[train_id] += count
    return SplitReport(
        role=role,
        images=1,
        sizes=(),
        class_pixels=tuple(pixels),
        class_images=(),
        ignored_pixels=ignored,
        digest="",
        raw_pixels=dict(raw),
    )


def kinds_of(
    train: Mapping[int, int],
    val: Mapping[int, int] | None = None,
    *,
    names: tuple[str, ...] = ("road", "tree", "sky"),
    ignore_index: int = 255,
) -> tuple[list[str], list[str]]:
    config = DataConfig(format="folder", class_names=names, ignore_index=ignore_index)
    labels, trained = LabelMap.positional(names, ignore_index)
    splits = [
        split("train", train, labels, len(trained)),
        split("val", train if val is None else val, labels, len(trained)),
    ]
    findings = check_labels(config, trained, labels, splits, "root")
    return [fault.kind for fault in findings.faults], [fault.kind for fault in findings.warnings]


LOST = "class lost to the ignored label"


@pytest.mark.parametrize(
    ("case", "faults", "warnings"),
    [
        ({"train": {0: 50, 1: 30, 2: 20}}, [], []),
        ({"train": {255: 100}}, ["no labelled pixel"] * 2, []),
        ({"train": {0: 50, 1: 30, 2: 20}, "val": {255: 9}}, ["no labelled pixel"], []),
        ({"train": {0: 97, 255: 3}}, ["too few classes"] * 2, []),
        ({"train": {0: 50, 1: 30, 2: 20}, "val": {1: 9}}, ["too few classes"], []),
        # a class without a pixel, while much is ignored everywhere, or in its split alone
        ({"train": {0: 40, 1: 30, 255: 30}}, [LOST] * 2, []),
        ({"train": {0: 50, 1: 30, 2: 20}, "val": {0: 40, 1: 30, 255: 30}}, [LOST], []),
        # rare classes, and sparse labels
        ({"train": {0: 57, 1: 40, 255: 3}}, [], ["empty class"] * 2),
        ({"train": {0: 1, 1: 1, 2: 1, 255: 97}}, [], []),
        ({"train": {0: 1, 1: 1, 2: 1, 255: 97}, "val": {0: 1, 1: 1, 255: 98}}, [], ["empty class"]),
        # labels that start at 1
        ({"train": {1: 50, 2: 48, 3: 2}, "ignore_index": 3}, [LOST] * 2, []),
        ({"train": {1: 50, 2: 48, 3: 2}}, ["unknown label"], []),
        # an ignored label that is named, or follows the last name
        ({"train": {0: 40, 1: 30, 2: 30}, "ignore_index": 2}, [LOST], []),
        ({"train": {0: 60, 1: 38, 2: 2}, "ignore_index": 2}, [], [LOST]),
        ({"train": {0: 60, 1: 20, 2: 20}, "names": ("void", "a", "b"), "ignore_index": 0}, [], []),
        ({"train": {0: 20, 1: 60, 2: 20}, "names": ("a", "Void", "b"), "ignore_index": 1}, [], []),
        ({"train": {0: 30, 1: 30, 2: 20, 3: 20}, "ignore_index": 3}, [], []),
        ({"train": {0: 30, 1: 20, 2: 10, 3: 40}, "ignore_index": 3}, [], [LOST]),
    ],
)
def test_untrainable_labels_are_faults_and_rare_ones_warnings(
    case: dict[str, Any], faults: list[str], warnings: list[str]
) -> None:
    assert kinds_of(case.pop("train"), case.pop("val", None), **case) == (faults, warnings)


def test_few_images_of_many_classes_are_only_a_warning() -> None:
    labels = LabelMap.of({i + 1: i for i in range(150)}, ignored=(0,))
    config = DataConfig(format="ade20k", root="x")
    parts = [split(role, {0: 30, 1: 50, 3: 20}, labels, 150) for role in ("train", "val")]
    assert check_labels(config, ADE, labels, parts, "root").faults == ()
    parts = [split(role, {0: 60, 1: 30, 3: 10}, labels, 150) for role in ("train", "val")]
    assert {f.kind for f in check_labels(config, ADE, labels, parts, "root").faults} == {LOST}


def write_masks(config: DataConfig, change: Any, role: str = "*") -> None:
    for path in (Path(config.root or "") / "masks").glob(f"{role}/*.png"):
        with Image.open(path) as mask:
            values = change(np.array(mask))
        Image.fromarray(values.astype(np.uint8)).save(path)


@pytest.mark.parametrize("role", ["train", "val", "*"])
def test_a_split_of_ignored_pixels_alone_is_a_fault(folder_config: DataConfig, role: str) -> None:
    write_masks(folder_config, lambda mask: np.full_like(mask, 255), role)
    report = check_data(folder_config)
    assert {fault.kind for fault in report.faults} == {"no labelled pixel"}
    for fault in report.faults:
        assert "its masks hold 255 (100.0%), and data.ignore_index: 255 is ignored" in fault.what
        assert "data.class_names" in fault.remedy


def test_masks_of_0_and_255_suggest_class_colors(folder_config: DataConfig) -> None:
    write_masks(folder_config, lambda mask: np.where(mask == 1, 255, 0))
    config = replace(folder_config, class_names=("road", "crack"))
    report = check_data(config)
    assert {fault.kind for fault in report.faults} == {"too few classes"}
    assert 'data.class_colors: {road: "#000000", crack: "#ffffff"}' in report.faults[0].remedy
    mended = replace(config, class_colors={"road": "#000000", "crack": "#ffffff"})
    assert check_data(mended).ok
    assert check_data(mended).split("train").class_pixels == (384, 192)


def test_labels_scaled_to_255_suggest_class_colors(folder_config: DataConfig) -> None:
    write_masks(folder_config, lambda mask: mask.astype(int) * 127)
    report = check_data(folder_config)
    hint = next(fault for fault in report.faults if "scaled to 255" in fault.what)
    assert '{road: "#000000", tree: "#7f7f7f", sky: "#fefefe"}' in hint.remedy
    colors = {"road": "#000000", "tree": "#7f7f7f", "sky": "#fefefe"}
    assert check_data(replace(folder_config, class_colors=colors)).ok


def test_labels_that_start_at_1_suggest_a_setting(folder_config: DataConfig) -> None:
    write_masks(folder_config, lambda mask: mask + 1)
    report = check_data(folder_config)
    hint = next(fault for fault in report.faults if "start at 1" in fault.what)
    assert "[void, road, tree, sky], data.ignore_index: 0" in hint.remedy
    names = ("void", "road", "tree", "sky")
    mended = check_data(replace(folder_config, class_names=names, ignore_index=0))
    assert (mended.faults, mended.warnings) == ((), ())
    assert mended.split("val").class_pixels == (128, 128, 128)


def test_classes_lost_at_a_resolution_are_reported() -> None:
    names = ("road", "pole", "sky")
    findings = check_resized(names, (9, 0, 3), (90, 2, 30), "train", "8x8")
    assert findings.faults == ()
    assert "class 'pole' in split 'train' has no pixel left at 8x8" in findings.warnings[0].what
    findings = check_resized(names, (9, 0, 0), (90, 2, 3), "train", "2x2")
    assert "fewer than two classes remain" in findings.faults[0].what
    assert findings.faults[0].path == "space.resolution"
    assert check_resized(names, (9, 0, 3), (90, 0, 30), "val", "8x8").warnings == ()
