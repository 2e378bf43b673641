"""Layout ``folder``: a folder of images beside a folder of masks with the same stems."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from trainables.data.faults import DataError, missing_folder, setting_fault
from trainables.data.layouts.base import empty_split, require_root, split_candidates
from trainables.data.layouts.pairing import pair_folders, paired_layout
from trainables.data.masks.class_colors import color_labels
from trainables.data.masks.labels import LabelMap

if TYPE_CHECKING:
    from trainables.config import DataConfig
    from trainables.data.faults import Fault
    from trainables.data.layouts.base import Layout
    from trainables.data.layouts.pairing import Pairing


def class_names(config: DataConfig) -> tuple[str, ...]:
    """Return the trained classes: ``config.class_names`` without the ignored position.

    Raises:
        DataError: no names are given.
    """
    return tuple(_labels(config)[1])


def open_folder(config: DataConfig) -> Layout:
    """Return the samples below ``config.root``, paired by ``pair_folders``.

    ``images`` and ``masks`` name the two folders of a split; ``{split}`` stands for its name or,
    if that folder does not exist, a synonym. Raw mask value ``i`` is class ``class_names[i]``;
    ``ignore_index`` is one of these positions or any other value.

    Raises:
        DataError: every missing setting, missing folder or empty split, together.
    """
    faults: list[Fault] = []
    labels, names = LabelMap(()), list[str]()
    try:
        labels, names = _labels(config)
    except DataError as error:
        faults += error.faults
    root = Path(require_root(config))
    if not root.is_dir():
        raise DataError([*faults, missing_folder(root, "set data.root to the data set's folder")])
    splits = []
    for split in (config.train_split, config.val_split):
        try:
            splits.append(_split(config, root, split))
        except DataError as error:
            faults += error.faults
    if faults:
        raise DataError(faults)
    return paired_layout(config, root, tuple(names), labels, *splits)


def _labels(config: DataConfig) -> tuple[LabelMap, list[str]]:
    if config.class_names is None:
        what = "is not set, and format 'folder' needs it"
        remedy = "give the names of the classes in the order of their mask values"
        raise DataError([setting_fault("class_names", what, remedy)])
    labels, names = LabelMap.positional(config.class_names, config.ignore_index)
    return replace(labels, colors=color_labels(config)), names


def _split(config: DataConfig, root: Path, split: str) -> Pairing:
    images = _split_folder(root, config.images, split)
    masks = _split_folder(root, config.masks, split)
    faults = [
        missing_folder(folder, f"create it, or set data.{name} to the folder of the {name}")
        for name, folder in (("images", images), ("masks", masks))
        if not folder.is_dir()
    ]
    if faults:
        raise DataError(faults)
    pairing = pair_folders(images, masks)
    if not pairing.samples:
        raise DataError(pairing.faults or [empty_split(images, _no_image_found(pairing))])
    return pairing


def _no_image_found(pairing: Pairing) -> str:
    skipped = [warning.what for warning in pairing.warnings if warning.kind == "passed over"]
    return "; ".join(["holds no image", *skipped[:1]])


def _split_folder(root: Path, template: str, split: str) -> Path:
    candidates = [root / template.replace("{split}", name) for name in split_candidates(split)]
    return next((folder for folder in candidates if folder.is_dir()), candidates[0])
