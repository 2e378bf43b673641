"""Layout ``cityscapes``: leftImg8bit images with the 19 evaluated classes of gtFine masks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from trainables.data.faults import DataError, Fault, missing_folder
from trainables.data.labels import IGNORE, LabelMap
from trainables.data.layouts.base import (
    IMAGE_SUFFIXES,
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
    "road",
    "sidewalk",
    "building",
    "wall",
    "fence",
    "pole",
    "traffic light",
    "traffic sign",
    "vegetation",
    "terrain",
    "sky",
    "person",
    "rider",
    "car",
    "truck",
    "bus",
    "train",
    "motorcycle",
    "bicycle",
)
"""Names by train id; those of ``torchvision.datasets.Cityscapes``, without its import."""

_IDS, _TRAIN_IDS = "_gtFine_labelIds.png", "_gtFine_labelTrainIds.png"


def open_cityscapes(config: DataConfig) -> Layout:
    """Return the samples below ``config.root`` with the 19 train ids.

    Masks are the ``labelIds`` files; where a data set has only ``labelTrainIds`` files, those.

    Raises:
        DataError: every missing setting, missing folder or empty split, together.
    """
    root = Path(require_root(config))
    splits = find_samples(config, root)
    from_train_ids = not any(sample.mask.exists() for split in splits for sample in split) and any(
        _train_id_mask(sample).mask.exists() for split in splits for sample in split
    )
    if from_train_ids:
        splits = tuple([_train_id_mask(sample) for sample in split] for split in splits)
        labels = LabelMap.of({i: i for i in range(len(CLASS_NAMES))}, ignored=(IGNORE,))
    else:
        labels = id_map(CLASS_NAMES)
    train, val = splits
    return Layout(
        root=root,
        class_names=renamed(config, CLASS_NAMES),
        labels=labels,
        train=take(train, config.max_train_images),
        val=take(val, config.max_val_images),
    )


def find_samples(config: DataConfig, root: Path) -> tuple[list[SamplePaths], ...]:
    """Return the samples of the training split, then of the validation split, unsorted.

    Raises:
        DataError: every missing folder or empty split, together.
    """
    allowed = ("train", "val", "test")
    names = [
        find_split(config.train_split, allowed, "train_split"),
        find_split(config.val_split, allowed, "val_split"),
    ]
    splits, faults = [], list[Fault]()
    for name in names:
        folders = (root / "leftImg8bit" / name, root / "gtFine" / name)
        missing = [folder for folder in folders if not folder.is_dir()]
        remedy = "set data.root to the folder that holds leftImg8bit and gtFine"
        faults += [missing_folder(folder, remedy) for folder in missing]
        splits.append([] if missing else _list_split(root, name))
        if not missing and not splits[-1]:
            faults.append(empty_split(folders[0]))
    if faults:
        raise DataError(faults)
    return tuple(splits)


def id_map(names: tuple[str, ...]) -> LabelMap:
    """Return the map from Cityscapes ids to positions in ``names``; other ids are ignored."""
    from torchvision.datasets import Cityscapes  # noqa: PLC0415 - seconds of import

    train_ids = {
        entry.id: names.index(entry.name) for entry in Cityscapes.classes if entry.name in names
    }
    return LabelMap.of(train_ids, ignored=(entry.id for entry in Cityscapes.classes))


def _list_split(root: Path, split: str) -> list[SamplePaths]:
    from torchvision.datasets import Cityscapes  # noqa: PLC0415 - seconds of import

    try:
        listed = Cityscapes(root, split=split, mode="fine", target_type="semantic")
    except NotADirectoryError as error:
        what, remedy = "is a file among the folders of cities", "remove it"
        fault = Fault(kind="missing folder", path=str(error.filename), what=what, remedy=remedy)
        raise DataError([fault]) from None
    return [
        SamplePaths(Path(image), Path(targets[0]))
        for image, targets in zip(listed.images, listed.targets, strict=True)
        if Path(image).suffix.lower() in IMAGE_SUFFIXES and not Path(image).name.startswith(".")
    ]


def _train_id_mask(sample: SamplePaths) -> SamplePaths:
    name = sample.mask.name.removesuffix(_IDS) + _TRAIN_IDS
    return SamplePaths(sample.image, sample.mask.with_name(name))
