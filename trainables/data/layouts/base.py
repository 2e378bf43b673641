"""The common type of all layouts: files of each split, class names, label map."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from trainables.data.faults import DataError, Fault, setting_fault
from trainables.data.masks.class_colors import class_color_faults
from trainables.data.masks.labels import MAX_CLASSES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from trainables.config import DataConfig
    from trainables.data.masks.labels import LabelMap

SplitRole: TypeAlias = Literal["train", "val", "test"]
"""Use of a split, independent of its name on disk."""
SEARCH_ROLES: tuple[SplitRole, ...] = ("train", "val")
"""Splits that trials read."""

_SYNONYMS = (("train", "training"), ("val", "validation", "valid"), ("test", "testing"))


class SamplePaths(NamedTuple):
    """One labelled image; the mask need not exist."""

    image: Path
    mask: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """The files of a data set, none of which was opened."""

    root: Path
    """Folder of all files."""
    class_names: tuple[str, ...]
    """Names of the classes by training id."""
    labels: LabelMap
    """Raw mask values to training ids."""
    train: tuple[SamplePaths, ...]
    """Training samples, in a fixed order."""
    val: tuple[SamplePaths, ...]
    """Validation samples, in a fixed order."""
    test: tuple[SamplePaths, ...] = ()
    """Held-out samples, in a fixed order; empty without a test split."""
    max_pixels: int | None = None
    """Largest image to decode, pixels; None: what the available memory allows."""
    faults: tuple[Fault, ...] = ()
    """Files that cannot be paired; ``open_layout`` raises them."""
    warnings: tuple[Fault, ...] = ()
    """Files that are not used."""

    @property
    def roles(self) -> tuple[SplitRole, ...]:
        """Splits of this data set, in a fixed order."""
        return (*SEARCH_ROLES, "test") if self.test else SEARCH_ROLES

    def samples(self, role: SplitRole) -> tuple[SamplePaths, ...]:
        """Return the samples of the split with that role."""
        match role:
            case "train":
                return self.train
            case "val":
                return self.val
            case "test":
                return self.test


def split_candidates(name: str) -> tuple[str, ...]:
    """Return ``name`` and the other usual names of the same split, ``name`` first."""
    for synonyms in _SYNONYMS:
        if name in synonyms:
            return (name, *(other for other in synonyms if other != name))
    return (name,)


def find_split(name: str, allowed: Sequence[str], setting: str) -> str:
    """Return the one of ``allowed`` that equals ``name`` or a synonym of it.

    Raises:
        DataError: there is none.
    """
    for candidate in split_candidates(name):
        if candidate in allowed:
            return candidate
    raise DataError(
        [setting_fault(setting, f"there is no split {name!r}", f"give one of {', '.join(allowed)}")]
    )


def take(samples: Sequence[SamplePaths], limit: int | None) -> tuple[SamplePaths, ...]:
    """Return the first ``limit`` samples in sorted order; None returns all."""
    return tuple(sorted(samples)[:limit])


def require_root(config: DataConfig) -> str:
    """Return ``config.root`` with a leading ``~`` expanded.

    Raises:
        DataError: it is not set.
    """
    if config.root is None:
        what = f"is not set, and format {config.format!r} needs it"
        raise DataError([setting_fault("root", what, "give the folder of the data set")])
    return os.path.expanduser(config.root)  # noqa: PTH111 - torchvision takes text


def empty_split(folder: Path, what: str = "holds no image") -> Fault:
    """Return the fault of a split without a sample."""
    remedy = "add images (JPEG, PNG or another format that Pillow reads) or name another split"
    return Fault(kind="no images", path=str(folder), what=what, remedy=remedy)


def renamed(config: DataConfig, default: Sequence[str]) -> tuple[str, ...]:
    """Return ``config.class_names``, or the ``default`` names of the layout if it has none.

    Raises:
        DataError: the number of names is not the number of classes.
    """
    names = config.class_names
    if names is None:
        return tuple(default)
    if len(names) != len(default):
        what = f"gives {len(names)} names, and format {config.format!r} has {len(default)} classes"
        remedy = f"give {len(default)} names, or none"
        raise DataError([setting_fault("class_names", what, remedy)])
    return tuple(names)


def config_faults(config: DataConfig) -> list[Fault]:
    """Return all faults of the settings, without access to the disk."""
    faults = []
    for name in ("max_train_images", "max_val_images", "max_test_images"):
        limit = getattr(config, name)
        if limit is not None and not limit >= 1:
            faults.append(setting_fault(name, f"is {limit}", "give a number >= 1, or none"))
    faults += _test_split_faults(config)
    names = config.class_names
    if names is not None:
        faults += _name_faults(names)
    if not 0 <= config.ignore_index <= 255:
        what, remedy = f"is {config.ignore_index}", "give a mask value from 0 to 255"
        faults.append(setting_fault("ignore_index", what, remedy))
    if config.max_image_pixels is not None and not config.max_image_pixels >= 1:
        what = f"is {config.max_image_pixels}"
        faults.append(setting_fault("max_image_pixels", what, "give a number >= 1, or none"))
    return faults + class_color_faults(config)


def _test_split_faults(config: DataConfig) -> list[Fault]:
    split, remedy = config.test_split, "name a held-out split, or leave data.test_split out"
    if split is None:
        return []
    if config.format == "ade20k":
        what = f"is {split!r}, and format 'ade20k' has no test split with public masks"
        return [setting_fault("test_split", what, "leave it out")]
    return [
        setting_fault("test_split", f"is {split!r}, which is the split of data.{setting}", remedy)
        for setting in ("train_split", "val_split")
        if getattr(config, setting) in split_candidates(split)
    ]


def _name_faults(names: Sequence[str]) -> list[Fault]:
    faults = []
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        what = f"names {', '.join(map(repr, twice))} more than once"
        faults.append(setting_fault("class_names", what, "give every class its own name"))
    if not 2 <= len(names) <= MAX_CLASSES:
        what = f"gives {len(names)} names"
        faults.append(setting_fault("class_names", what, f"give 2 to {MAX_CLASSES} names"))
    return faults
