"""Layout ``ade20k``: the scene parsing data set with 150 classes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from trainables.data.layouts.ade20k_names import CLASS_NAMES
from trainables.data.layouts.base import find_split, renamed, require_root
from trainables.data.layouts.pairing import pair_folders, pair_splits, paired_layout
from trainables.data.masks.labels import LabelMap

if TYPE_CHECKING:
    from trainables.config import DataConfig
    from trainables.data.layouts.base import Layout

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
    folders = []
    for setting in ("train_split", "val_split"):
        name = find_split(getattr(config, setting), allowed, setting)
        folders.append((base / "images" / name, base / "annotations" / name))
    remedy = f"set data.root to the folder that holds {_BASE}"
    splits = pair_splits(folders, remedy, pair_folders)
    labels = LabelMap.of({i + 1: i for i in range(len(CLASS_NAMES))}, ignored=(0,))
    return paired_layout(config, root, renamed(config, CLASS_NAMES), labels, *splits)
