"""Pairs of images and masks by file name."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from trainables.data.faults import DataError, Fault, missing_folder
from trainables.data.layouts.base import Layout, SamplePaths, empty_split, take
from trainables.data.layouts.listing import is_image, is_mask, list_files, passed_over

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from trainables.config import DataConfig
    from trainables.data.masks.labels import LabelMap

Keyed: TypeAlias = "tuple[str, Path]"
"""A file with the key that it shares with its partner."""


@dataclass(kw_only=True, slots=True)
class Pairing:
    """The samples of one split."""

    samples: list[SamplePaths] = field(default_factory=list)
    """Every image with its mask, or with the expected path of a missing mask."""
    faults: list[Fault] = field(default_factory=list)
    """Images that share a mask, images with several masks."""
    warnings: list[Fault] = field(default_factory=list)
    """Masks without an image, files with other suffixes."""


class NameIndex:
    """Finds files by key: exactly, else in another Unicode form, else in another case."""

    def __init__(self, files: Iterable[Keyed]) -> None:
        self._levels = [defaultdict[str, list["Path"]](list) for _ in _LEVELS]
        for key, path in files:
            for level, form in zip(self._levels, _LEVELS, strict=True):
                level[form(key)].append(path)

    def find(self, key: str) -> list[Path]:
        """Return the files that match in the strictest form with a match."""
        for level, form in zip(self._levels, _LEVELS, strict=True):
            if paths := level.get(form(key)):
                return paths
        return []


def _nfc(key: str) -> str:
    return unicodedata.normalize("NFC", key)


_LEVELS: tuple[Callable[[str], str], ...] = (str, _nfc, lambda key: _nfc(key).casefold())


def stem_key(path: Path, folder: Path) -> str:
    """Return the path below ``folder`` without its last suffix."""
    stem = path.name.removesuffix(path.suffix)
    return (path.relative_to(folder).parent / stem).as_posix()


def pair(
    images: Sequence[Keyed], masks: Sequence[Keyed], missing: Callable[[str], Path]
) -> Pairing:
    """Return the images with the masks of the same key.

    Args:
        images: The images with their keys.
        masks: The masks with their keys.
        missing: Returns the expected path of the mask with a key.
    """
    index, pairing = NameIndex(masks), Pairing()
    owners: dict[Path, list[Path]] = defaultdict(list)
    for key, image in images:
        matches = index.find(key)
        for mask in matches:
            owners[mask].append(image)
        if len(matches) > 1:
            pairing.faults.append(_several_masks(image, matches))
        pairing.samples.append(SamplePaths(image, matches[0] if matches else missing(key)))
    pairing.faults += [_shared(mask, shared) for mask, shared in owners.items() if len(shared) > 1]
    pairing.warnings += [_unused(mask) for _, mask in masks if mask not in owners]
    return pairing


def pair_folders(images: Path, masks: Path) -> Pairing:
    """Return the images below one folder with the masks of the same relative stem below another.

    If one folder contains the other, its list leaves out the files of the other. If both are the
    same folder, files with the suffix of a mask are masks and the others are images.

    Raises:
        DataError: a folder cannot be read.
    """
    same = images.samefile(masks)
    image_list = list_files(images, skip=() if same else (masks,))
    mask_list = image_list if same else list_files(masks, skip=(images,))
    pictures = [path for path in image_list.files if is_image(path)]
    pictures = [path for path in pictures if not (same and is_mask(path))]
    labels = [path for path in mask_list.files if is_mask(path)]
    pairing = pair(
        [(stem_key(path, images), path) for path in pictures],
        [(stem_key(path, masks), path) for path in labels],
        lambda key: masks / f"{key}.png",
    )
    others = [path for path in image_list.files if not is_image(path)]
    pairing.warnings += [*image_list.warnings, *passed_over(images, others, "image")]
    if same:
        if not pictures and labels:
            pairing.faults.append(_undivided(images))
    else:
        others = [path for path in mask_list.files if not is_mask(path)]
        pairing.warnings += [*mask_list.warnings, *passed_over(masks, others, "mask")]
    return pairing


def pair_splits(
    folders: Iterable[tuple[Path, Path]], remedy: str, pair_split: Callable[[Path, Path], Pairing]
) -> tuple[Pairing, ...]:
    """Return the pairing of each split, given by its folders of images and masks.

    Raises:
        DataError: every missing folder and every split without an image, together; ``remedy`` is
            that of a missing folder.
    """
    splits, faults = [], list[Fault]()
    for pair_of_folders in folders:
        missing = [folder for folder in pair_of_folders if not folder.is_dir()]
        faults += [missing_folder(folder, remedy) for folder in missing]
        if not missing:
            splits.append(pair_split(*pair_of_folders))
            if not splits[-1].samples:
                faults.append(empty_split(pair_of_folders[0]))
    if faults:
        raise DataError(faults)
    return tuple(splits)


def paired_layout(  # noqa: PLR0917 - callers unpack the splits
    config: DataConfig,
    root: Path,
    class_names: tuple[str, ...],
    labels: LabelMap,
    train: Pairing,
    val: Pairing,
) -> Layout:
    """Return the layout of two paired splits, with at most as many images as ``config`` allows."""
    return Layout(
        root=root,
        class_names=class_names,
        labels=labels,
        train=take(train.samples, config.max_train_images),
        val=take(val.samples, config.max_val_images),
        faults=(*train.faults, *val.faults),
        warnings=(*train.warnings, *val.warnings),
    )


def _several_masks(image: Path, masks: Sequence[Path]) -> Fault:
    what = f"has {len(masks)} masks: {', '.join(map(str, masks))}"
    remedy = "keep the correct one"
    return Fault(kind="several masks", path=str(image), what=what, remedy=remedy)


def _shared(mask: Path, images: Sequence[Path]) -> Fault:
    what = f"is the mask of {len(images)} images: {', '.join(map(str, images))}"
    remedy = "give every image its own stem and its own mask"
    return Fault(kind="shared mask", path=str(mask), what=what, remedy=remedy)


def _unused(mask: Path) -> Fault:
    what, remedy = "is a mask without an image", "add its image, or remove the mask"
    return Fault(kind="mask without an image", path=str(mask), what=what, remedy=remedy)


def _undivided(folder: Path) -> Fault:
    what = "holds images and masks with the same suffixes, so they cannot be distinguished"
    remedy = "move the masks into another folder and set data.masks to it"
    return Fault(kind="no images", path=str(folder), what=what, remedy=remedy)
