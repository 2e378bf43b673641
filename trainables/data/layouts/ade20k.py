"""Layout ``ade20k``: the scene parsing data set with 150 classes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from trainables.data.faults import DataError, Fault, missing_folder
from trainables.data.layouts.ade20k_names import CLASS_NAMES
from trainables.data.layouts.base import (
    Layout,
    empty_split,
    find_split,
    renamed,
    require_root,
    take,
)
from trainables.data.layouts.pairing import Pairing, pair_folders
from trainables.data.masks.labels import LabelMap

if TYPE_CHECKING:
    from trainables.config import DataConfig

__all__ = ["CLASS_NAMES", "open_ade20k"]

_BASE = "ADEChallengeData2016"


def open_ade20k(config: DataConfig) -> Layout:
    """Return the samples of ``ADEChallengeData2016``, which is the root or lies below it.

    Mask value 0 (other objects) is ignored; 1 to 150 become training ids 0 to 149.

    Raises:
        DataError: every missing setting, missing folder or empty split, together.
    """
    root = Path(require_root(config))
    base = root / _BASE if (root / _BASE).is_dir() else root
    allowed = ("training", "validation")
    splits, faults = list[Pairing](), list[Fault]()
    for setting in ("train_split", "val_split"):
        name = find_split(getattr(config, setting), allowed, setting)
        images, masks = base / "images" / name, base / "annotations" / name
        remedy = f"set data.root to the folder that holds {_BASE}"
        missing = [folder for folder in (images, masks) if not folder.is_dir()]
        faults += [missing_folder(folder, remedy) for folder in missing]
        splits.append(Pairing() if missing else pair_folders(images, masks))
        if not missing and not splits[-1].samples:
            faults.append(empty_split(images))
    if faults:
        raise DataError(faults)
    train, val = splits
    return Layout(
        root=root,
        class_names=renamed(config, CLASS_NAMES),
        labels=LabelMap.of({i + 1: i for i in range(len(CLASS_NAMES))}, ignored=(0,)),
        train=take(train.samples, config.max_train_images),
        val=take(val.samples, config.max_val_images),
        faults=(*train.faults, *val.faults),
        warnings=(*train.warnings, *val.warnings),
    )
