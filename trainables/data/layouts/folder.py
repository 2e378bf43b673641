"""Layout ``folder``: a folder of images beside a folder of PNG masks with the same stems."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from trainables.data.faults import DataError, missing_folder, setting_fault
from trainables.data.labels import LabelMap
from trainables.data.layouts.base import (
    Layout,
    SamplePaths,
    empty_split,
    list_images,
    require_root,
    split_candidates,
    take,
)

if TYPE_CHECKING:
    from trainables.config import DataConfig
    from trainables.data.faults import Fault


def class_names(config: DataConfig) -> tuple[str, ...]:
    """Return the names that train: ``config.class_names`` without the ignored position.

    Raises:
        DataError: no names are given.
    """
    return tuple(_labels(config)[1])


def open_folder(config: DataConfig) -> Layout:
    """Return the samples below ``config.root``; a mask's path mirrors its image's.

    ``images`` and ``masks`` name the two folders of a split, ``{split}`` standing for its name;
    where that folder is missing, another usual name of the split is tried. Raw mask value ``i`` is
    class ``class_names[i]``; ``ignore_index`` may be one of these positions or any other value.

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
    train, train_faults = _split(config, root, config.train_split)
    val, val_faults = _split(config, root, config.val_split)
    faults += train_faults + val_faults
    if faults:
        raise DataError(faults)
    return Layout(
        root=root,
        class_names=tuple(names),
        labels=labels,
        train=take(train, config.max_train_images),
        val=take(val, config.max_val_images),
    )


def _labels(config: DataConfig) -> tuple[LabelMap, list[str]]:
    if config.class_names is None:
        what = "is not set, and format 'folder' needs it"
        remedy = "give the names of the classes in the order of their mask values"
        raise DataError([setting_fault("class_names", what, remedy)])
    return LabelMap.positional(config.class_names, config.ignore_index)


def _split(config: DataConfig, root: Path, split: str) -> tuple[list[SamplePaths], list[Fault]]:
    images = _split_folder(root, config.images, split)
    masks = _split_folder(root, config.masks, split)
    faults = [
        missing_folder(folder, f"create it, or set data.{name} to where the {name} are")
        for name, folder in (("images", images), ("masks", masks))
        if not folder.is_dir()
    ]
    if faults:
        return [], faults
    found = list_images(images)
    samples = [
        SamplePaths(image, masks / image.relative_to(images).with_suffix(".png")) for image in found
    ]
    return samples, [] if found else [empty_split(images)]


def _split_folder(root: Path, template: str, split: str) -> Path:
    candidates = [root / template.replace("{split}", name) for name in split_candidates(split)]
    return next((folder for folder in candidates if folder.is_dir()), candidates[0])
