"""Layout ``cityscapes``: leftImg8bit images with the 19 evaluated classes of gtFine masks."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from trainables.data.layouts.base import find_split, renamed, require_root
from trainables.data.layouts.listing import is_image, is_mask, list_files, passed_over
from trainables.data.layouts.pairing import pair, pair_splits, paired_layout, stem_key
from trainables.data.masks.labels import IGNORE, LabelMap

if TYPE_CHECKING:
    from trainables.config import DataConfig
    from trainables.data.layouts.base import Layout
    from trainables.data.layouts.pairing import Pairing

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
"""Names by training id, copied from ``torchvision.datasets.Cityscapes``, whose import is slow."""

_IMAGE, _IDS, _TRAIN_IDS = "_leftImg8bit", "_gtFine_labelIds", "_gtFine_labelTrainIds"


def open_cityscapes(config: DataConfig) -> Layout:
    """Return the samples below ``config.root`` with the 19 training ids.

    Masks are the ``labelIds`` files, or the ``labelTrainIds`` files if there are no others.

    Raises:
        DataError: every missing setting, missing folder or empty split, together.
    """
    root = Path(require_root(config))
    train, val = find_samples(config, root)
    labels = id_map(CLASS_NAMES)
    if not _has_masks(train, val):
        other_masks = find_samples(config, root, _TRAIN_IDS)
        if _has_masks(*other_masks):
            train, val = other_masks
            labels = LabelMap.of({i: i for i in range(len(CLASS_NAMES))}, ignored=(IGNORE,))
    return paired_layout(config, root, renamed(config, CLASS_NAMES), labels, train, val)


def find_samples(config: DataConfig, root: Path, masks: str = _IDS) -> tuple[Pairing, ...]:
    """Return the unsorted samples of the training and the validation split.

    Args:
        config: Names the splits.
        root: Folder of leftImg8bit and gtFine.
        masks: Suffix of a mask's stem, where its image has ``_leftImg8bit``.

    Raises:
        DataError: every missing folder or empty split, together.
    """
    allowed = ("train", "val", "test")
    names = [
        find_split(config.train_split, allowed, "train_split"),
        find_split(config.val_split, allowed, "val_split"),
    ]
    folders = [(root / "leftImg8bit" / name, root / "gtFine" / name) for name in names]
    remedy = "set data.root to the folder that holds leftImg8bit and gtFine"
    return pair_splits(folders, remedy, partial(_list_split, end=masks))


def id_map(names: tuple[str, ...]) -> LabelMap:
    """Return the map from Cityscapes ids to positions in ``names``; other ids are ignored."""
    from torchvision.datasets import Cityscapes  # noqa: PLC0415 - seconds of import

    train_ids = {
        entry.id: names.index(entry.name) for entry in Cityscapes.classes if entry.name in names
    }
    return LabelMap.of(train_ids, ignored=(entry.id for entry in Cityscapes.classes))


def _list_split(images: Path, masks: Path, end: str) -> Pairing:
    pictures, labels = list_files(images), list_files(masks)
    pairing = pair(
        [
            (stem_key(path, images).removesuffix(_IMAGE), path)
            for path in pictures.files
            if is_image(path)
        ],
        [
            (key.removesuffix(end), path)
            for path in labels.files
            if is_mask(path) and (key := stem_key(path, masks)).endswith(end)
        ],
        lambda key: masks / f"{key}{end}.png",
    )
    others = [path for path in pictures.files if not is_image(path)]
    pairing.warnings += [*pictures.warnings, *labels.warnings]
    pairing.warnings += passed_over(images, others, "image")
    return pairing


def _has_masks(*splits: Pairing) -> bool:
    return any(sample.mask.exists() for split in splits for sample in split.samples)
