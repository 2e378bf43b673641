"""Layout ``voc``: Pascal VOC 2012 segmentation with 20 classes beside the background."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from trainables.data.faults import DataError, Fault, missing_folder
from trainables.data.labels import IGNORE, LabelMap
from trainables.data.layouts.base import (
    Layout,
    SamplePaths,
    empty_split,
    find_split,
    renamed,
    require_root,
    take,
)

if TYPE_CHECKING:
    from trainables.config import DataConfig

CLASS_NAMES: tuple[str, ...] = (
    "background",
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "dining table",
    "dog",
    "horse",
    "motorbike",
    "person",
    "potted plant",
    "sheep",
    "sofa",
    "train",
    "tv monitor",
)
"""Names by mask value; 255 marks the ignored outlines."""

_BASE = Path("VOCdevkit", "VOC2012")


def open_voc(config: DataConfig) -> Layout:
    """Return the samples that ``VOCdevkit/VOC2012/ImageSets/Segmentation`` below the root lists.

    The root may also be ``VOCdevkit`` or ``VOC2012`` itself.

    Raises:
        DataError: every missing setting, folder or list of a split, together.
    """
    root = _devkit_parent(Path(require_root(config)))
    base = root / _BASE
    remedy = "set data.root to the folder that holds VOCdevkit/VOC2012"
    folders = [base / "JPEGImages", base / "SegmentationClass", base / "ImageSets/Segmentation"]
    faults = [missing_folder(folder, remedy) for folder in folders if not folder.is_dir()]
    if faults:
        raise DataError(faults)
    lists = ("train", "val", "trainval")
    own = () if config.test_split is None else (config.test_split,)
    train = _list_split(root, config.train_split, "train_split", lists)
    val = _list_split(root, config.val_split, "val_split", (*lists, *own))
    return Layout(
        root=root,
        class_names=renamed(config, CLASS_NAMES),
        labels=LabelMap.of({i: i for i in range(len(CLASS_NAMES))}, ignored=(IGNORE,)),
        train=take(train, config.max_train_images),
        val=take(val, config.max_val_images),
    )


def _devkit_parent(root: Path) -> Path:
    if (root / "ImageSets").is_dir() and root.absolute().parent.name == "VOCdevkit":
        return root.absolute().parent.parent
    if (root / "VOC2012").is_dir() and root.absolute().name == "VOCdevkit":
        return root.absolute().parent
    return root


def _list_split(
    root: Path, split: str, setting: str, allowed: tuple[str, ...]
) -> list[SamplePaths]:
    name = find_split(split, allowed, setting)
    listing = root / _BASE / "ImageSets/Segmentation" / f"{name}.txt"
    try:
        lines = listing.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except FileNotFoundError:
        what, remedy = "the list of the split is not there", "unpack the data set again"
        fault = Fault(kind="missing file", path=str(listing), what=what, remedy=remedy)
        raise DataError([fault]) from None
    base = root / _BASE
    samples = [
        SamplePaths(base / "JPEGImages" / f"{name}.jpg", base / "SegmentationClass" / f"{name}.png")
        for name in map(str.strip, lines)
        if name
    ]
    if not samples:
        raise DataError([empty_split(listing, "names no image")])
    return samples
