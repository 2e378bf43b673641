"""The layout a data configuration names: opened, or only its classes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from trainables.data.faults import DataError, setting_fault
from trainables.data.fetched import local_copy
from trainables.data.layouts import ade20k, cityscapes, folder, synthetic, voc
from trainables.data.layouts.base import config_faults, renamed

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from trainables.config import DataConfig
    from trainables.data.faults import Fault
    from trainables.data.layouts.base import Layout


def open_layout(config: DataConfig, cache_dir: str | Path | None = None) -> Layout:
    """Return the files, classes and label map of the data set that ``config`` names.

    Folders are listed and no image is opened. The scenes of format ``synthetic`` are generated
    where they are not there yet, below ``cache_dir`` when ``config.root`` is None. The files at an
    address of an object store are copied below ``cache_dir`` first; nothing else is downloaded.

    Raises:
        DataError: every fault of settings and folders that can be seen without opening a file.
    """
    layout = list_layout(config, cache_dir)
    if layout.faults:
        raise DataError(layout.faults)
    return layout


def list_layout(config: DataConfig, cache_dir: str | Path | None = None) -> Layout:
    """Return what ``open_layout`` does, also where files cannot be paired: see ``Layout.faults``.

    Raises:
        DataError: every fault of settings and folders.
    """
    faults = config_faults(config)
    if faults:
        raise DataError(faults)
    config = local_copy(config, cache_dir)
    layout = _open_splits(config, cache_dir)
    if config.test_split is not None:
        layout = _with_test(layout, config, config.test_split, cache_dir)
    return replace(layout, max_pixels=config.max_image_pixels)


def _with_test(
    layout: Layout, config: DataConfig, split: str, cache_dir: str | Path | None
) -> Layout:
    """Return ``layout`` with its test split, which is listed in the place of the validation split.

    Raises:
        DataError: the test split cannot be listed, or has images of another split.
    """
    wanted = replace(config, val_split=split, max_val_images=config.max_test_images)
    try:
        tested = _open_splits(wanted, cache_dir)
    except DataError as error:
        raise DataError(_of_test(error.faults)) from None
    test = tested.val
    searched = {sample.image: role for role in layout.roles for sample in layout.samples(role)}
    shared = [sample.image for sample in test if sample.image in searched]
    if shared:
        what = (
            f"{split!r} has {len(shared)} of its {len(test)} images in common with the "
            f"{searched[shared[0]]} split, such as {shared[0].name}"
        )
        raise DataError([setting_fault("test_split", what, "name a split of other images")])
    # the training split was listed twice
    faults = tuple(dict.fromkeys((*layout.faults, *tested.faults)))
    warnings = tuple(dict.fromkeys((*layout.warnings, *tested.warnings)))
    return replace(layout, test=test, faults=faults, warnings=warnings)


def _of_test(faults: Iterable[Fault]) -> list[Fault]:
    """Return faults of the validation split's settings as those of the test split's."""
    names = {
        f"data.{name.format('val')}": f"data.{name.format('test')}" for name in _SPLIT_SETTINGS
    }
    return [replace(fault, path=names.get(fault.path, fault.path)) for fault in faults]


_SPLIT_SETTINGS = ("{}_split", "max_{}_images")


def _open_splits(config: DataConfig, cache_dir: str | Path | None) -> Layout:
    match config.format:
        case "synthetic":
            return synthetic.open_synthetic(config, cache_dir)
        case "folder":
            return folder.open_folder(config)
        case "cityscapes":
            return cityscapes.open_cityscapes(config)
        case "voc":
            return voc.open_voc(config)
        case "ade20k":
            return ade20k.open_ade20k(config)


def class_names_of(config: DataConfig) -> tuple[str, ...]:
    """Return the class names by training id, without a look at the disk.

    Raises:
        DataError: the names given do not fit the format, or ``folder`` has none.
    """
    faults = config_faults(config)
    if faults:
        raise DataError(faults)
    match config.format:
        case "folder":
            return folder.class_names(config)
        case "synthetic":
            return renamed(config, synthetic.CLASS_NAMES)
        case "cityscapes":
            return renamed(config, cityscapes.CLASS_NAMES)
        case "voc":
            return renamed(config, voc.CLASS_NAMES)
        case "ade20k":
            return renamed(config, ade20k.CLASS_NAMES)


def num_classes_of(config: DataConfig) -> int:
    """Return the number of classes that are trained, ignored labels left out.

    Raises:
        DataError: as ``class_names_of``.
    """
    return len(class_names_of(config))
