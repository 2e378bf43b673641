"""Pairs of images and masks, made from the files that lie on disk."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from trainables.data.faults import Fault
from trainables.data.layouts.base import SamplePaths
from trainables.data.layouts.listing import is_image, is_mask, list_files, passed_over

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

Keyed: TypeAlias = "tuple[str, Path]"
"""A file with the name that it shares with its partner."""


@dataclass(kw_only=True, slots=True)
class Pairing:
    """The samples of one split."""

    samples: list[SamplePaths] = field(default_factory=list)
    """Every image with its mask; where there is none, with the path that it should have."""
    faults: list[Fault] = field(default_factory=list)
    """Images that share a mask, images with several masks."""
    warnings: list[Fault] = field(default_factory=list)
    """Masks without an image, files that were passed over."""


class NameIndex:
    """Finds files by a name: as written, else in another Unicode form, else in another case."""

    def __init__(self, files: Iterable[Keyed]) -> None:
        self._levels = [defaultdict[str, list["Path"]](list) for _ in _LEVELS]
        for key, path in files:
            for level, form in zip(self._levels, _LEVELS, strict=True):
                level[form(key)].append(path)

    def find(self, key: str) -> list[Path]:
        """Return the files of the first form in which there are any."""
        for level, form in zip(self._levels, _LEVELS, strict=True):
            if found := level.get(form(key)):
                return found
        return []


def _nfc(key: str) -> str:
    return unicodedata.normalize("NFC", key)


_LEVELS: tuple[Callable[[str], str], ...] = (str, _nfc, lambda key: _nfc(key).casefold())


def stem_key(path: Path, folder: Path) -> str:
    """Return the path below ``folder`` without its last suffix."""
    inside = path.relative_to(folder)
    return (inside.parent / without_suffix(path)).as_posix()


def without_suffix(path: Path) -> str:
    """Return the name of ``path`` without its last suffix: ``a.b`` of ``a.b.jpg``."""
    return path.name.removesuffix(path.suffix)


def pair(
    images: Sequence[Keyed], masks: Sequence[Keyed], missing: Callable[[str], Path]
) -> Pairing:
    """Return the images with the masks of the same name.

    Args:
        images: The images with their names.
        masks: The masks with their names.
        missing: Gives the path that the mask of a name should have.
    """
    index, pairing = NameIndex(masks), Pairing()
    owners: dict[Path, list[Path]] = defaultdict(list)
    for key, image in images:
        found = index.find(key)
        for mask in found:
            owners[mask].append(image)
        if len(found) > 1:
            pairing.faults.append(_several_masks(image, found))
        pairing.samples.append(SamplePaths(image, found[0] if found else missing(key)))
    pairing.faults += [_shared(mask, own) for mask, own in owners.items() if len(own) > 1]
    pairing.warnings += [_unused(mask) for _, mask in masks if mask not in owners]
    return pairing


def pair_folders(images: Path, masks: Path) -> Pairing:
    """Return the images below one folder with the masks of the same relative stem below another.

    Where one folder lies in the other its files are left out there. Where both are one folder,
    files in a format that masks may have are masks and the others are images.

    Raises:
        DataError: a folder cannot be read.
    """
    one = images.samefile(masks)
    listed = list_files(images, skip=() if one else (masks,))
    beside = listed if one else list_files(masks, skip=(images,))
    pictures = [path for path in listed.files if is_image(path) and not (one and is_mask(path))]
    labels = [path for path in beside.files if is_mask(path)]
    pairing = pair(
        [(stem_key(path, images), path) for path in pictures],
        [(stem_key(path, masks), path) for path in labels],
        lambda key: masks / f"{key}.png",
    )
    others = [path for path in listed.files if not is_image(path)]
    pairing.warnings += [*listed.warnings, *passed_over(images, others, "image")]
    if one:
        if not pictures and labels:
            pairing.faults.append(_undivided(images))
    else:
        others = [path for path in beside.files if not is_mask(path)]
        pairing.warnings += [*beside.warnings, *passed_over(masks, others, "mask")]
    return pairing


def _several_masks(image: Path, masks: Sequence[Path]) -> Fault:
    what = f"has {len(masks)} masks: {', '.join(map(str, masks))}"
    remedy = "keep the one that is right"
    return Fault(kind="several masks", path=str(image), what=what, remedy=remedy)


def _shared(mask: Path, images: Sequence[Path]) -> Fault:
    what = f"is the mask of {len(images)} images: {', '.join(map(str, images))}"
    remedy = "give every image a stem of its own, with its own mask"
    return Fault(kind="shared mask", path=str(mask), what=what, remedy=remedy)


def _unused(mask: Path) -> Fault:
    what, remedy = "is a mask without an image", "add its image, or remove the mask"
    return Fault(kind="mask without an image", path=str(mask), what=what, remedy=remedy)


def _undivided(folder: Path) -> Fault:
    what = "holds images and masks in formats that both may have, so none is known as an image"
    remedy = "put the masks into a folder of their own and name it by data.masks"
    return Fault(kind="no images", path=str(folder), what=what, remedy=remedy)
