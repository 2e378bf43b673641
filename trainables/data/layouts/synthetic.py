"""Layout ``synthetic``: generated street scenes in the Cityscapes layout."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from trainables.data.faults import DataError, setting_fault
from trainables.data.layouts.base import find_split, renamed
from trainables.data.layouts.cityscapes import find_samples, id_map
from trainables.data.layouts.pairing import paired_layout
from trainables.data.synthetic.ids import CLASS_NAMES
from trainables.data.synthetic.writer import SceneSet, ensure_scenes

if TYPE_CHECKING:
    from trainables.config import DataConfig
    from trainables.data.faults import Fault
    from trainables.data.layouts.base import Layout

__all__ = ["CLASS_NAMES", "open_synthetic"]


def open_synthetic(config: DataConfig, cache_dir: str | Path | None) -> Layout:
    """Return the scenes of ``config`` in ``config.root``, or below ``cache_dir`` if that is None.

    Missing scenes are generated first.

    Raises:
        DataError: a setting is out of range, or the scenes cannot be written.
    """
    faults = _setting_faults(config, cache_dir)
    if faults:
        raise DataError(faults)
    scenes = SceneSet(
        train_images=config.synthetic_train_images,
        val_images=config.synthetic_val_images,
        test_images=0 if config.test_split is None else config.synthetic_test_images,
        seed=config.synthetic_seed,
    )
    if config.root is not None:
        root = Path(config.root).expanduser()
    else:
        root = Path(cache_dir or "") / "synthetic" / scenes.name
    ensure_scenes(root, scenes)
    train, val = find_samples(config, root)
    labels = id_map(CLASS_NAMES)
    return paired_layout(config, root, renamed(config, CLASS_NAMES), labels, train, val)


def _setting_faults(config: DataConfig, cache_dir: str | Path | None) -> list[Fault]:
    faults = []
    if config.root is None and cache_dir is None:
        what, remedy = "is not set, and neither is a cache folder", "set one of the two"
        faults.append(setting_fault("root", what, remedy))
    for name in ("synthetic_train_images", "synthetic_val_images", "synthetic_test_images"):
        count = getattr(config, name)
        if not count >= 1:
            faults.append(setting_fault(name, f"is {count}", "give a number >= 1"))
    if not config.synthetic_seed >= 0:
        what = f"is {config.synthetic_seed}"
        faults.append(setting_fault("synthetic_seed", what, "give a number >= 0"))
    allowed = ("train", "val") if config.test_split is None else ("train", "val", "test")
    for setting in ("train_split", "val_split"):
        try:
            find_split(getattr(config, setting), allowed, setting)
        except DataError as error:
            faults += error.faults
    return faults
