"""The layout of a data configuration, or only its classes."""

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
    """Return files, classes and label map of the data set of ``config``; no image is opened.

    Missing scenes of format ``synthetic`` are generated, below ``cache_dir`` if ``config.root`` is
    None. Files in an object store are copied below ``cache_dir`` first; nothing else is downloaded.

    Raises:
        DataError: all faults of settings and folders.
    """
    layout = list_layout(config, cache_dir)
    if layout.faults:
        raise DataError(layout.faults)
    return layout


def list_layout(config: DataConfig, cache_dir: str | Path | None = None) -> Layout:
    """Return the layout; files that cannot be paired are in ``Layout.faults``.

    Raises:
        DataError: all other faults of settings and folders.
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
    """Return ``layout`` with its test split.

    Raises:
        DataError: the test split cannot be listed, or shares images with another split.
    """
    # Layouts list a training and a validation split; here the latter is the test split.
    test_config = replace(config, val_split=split, max_val_images=config.max_test_images)
    try:
        test_layout = _open_splits(test_config, cache_dir)
    except DataError as error:
        raise DataError(_as_test_faults(error.faults)) from None
    test = test_layout.val
    searched = {sample.image: role for role in layout.roles for sample in layout.samples(role)}
    shared = [sample.image for sample in test if sample.image in searched]
    if shared:
        what = (
            f"{split!r} has {len(shared)} of its {len(test)} images in common with the "
            f"{searched[shared[0]]} split, such as {shared[0].name}"
        )
        raise DataError([setting_fault("test_split", what, "name a split of other images")])
    # Both layouts report the training split, so equal faults are merged.
    faults = tuple(dict.fromkeys((*layout.faults, *test_layout.faults)))
    warnings = tuple(dict.fromkeys((*layout.warnings, *test_layout.warnings)))
    return replace(layout, test=test, faults=faults, warnings=warnings)


def _as_test_faults(faults: Iterable[Fault]) -> list[Fault]:
    """Return ``faults`` with the settings of the validation split as those of the test split."""
    names = {
        "data.val_split": "data.test_split",
        "data.max_val_images": "data.max_test_images",
    }
    return [replace(fault, path=names.get(fault.path, fault.path)) for fault in faults]


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
    """Return the class names by training id, without access to the disk.

    Raises:
        DataError: ``class_names`` does not fit the format, or is missing for ``folder``.
    """
    faults = config_faults(config)
    if faults:
        raise DataError(faults)
    if config.format == "folder":
        return folder.class_names(config)
    layouts = {"synthetic": synthetic, "cityscapes": cityscapes, "voc": voc, "ade20k": ade20k}
    return renamed(config, layouts[config.format].CLASS_NAMES)
