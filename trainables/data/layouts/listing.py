"""The files below a folder, and which suffixes are images and masks."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from PIL import Image

from trainables.data.faults import DataError, Fault

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

_NO_PICTURES = frozenset({"BUFR", "EPS", "GRIB", "HDF5", "IPTC", "MPEG", "WMF"})
"""Formats that Pillow identifies, but decodes only with another program or not at all."""
MASK_SUFFIXES = frozenset(
    {".png", ".tif", ".tiff", ".bmp", ".gif", ".pbm", ".pgm", ".ppm", ".pnm", ".tga"}
)
"""Formats that keep labels exactly; JPEG, WebP and their kind change pixel values."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a folder."""

    files: tuple[Path, ...]
    """Files at any depth, sorted, without hidden ones; links are followed and not resolved."""
    warnings: tuple[Fault, ...]
    """Links to folders that lead back to themselves, which were not followed."""


@cache
def image_suffixes() -> frozenset[str]:
    """Return the suffixes of all formats that Pillow decodes here, in lower case, with dots."""
    Image.init()
    readable = {
        suffix
        for suffix, kind in Image.registered_extensions().items()
        if kind in Image.OPEN and kind not in _NO_PICTURES
    }
    # Pillow's JPEG reader opens stereo photographs, although it registers no reader for them.
    return frozenset(readable | {".mpo"})


def is_image(path: Path) -> bool:
    """Whether the suffix of ``path``, in any case, is that of an image."""
    return suffix_of(path) in image_suffixes()


def is_mask(path: Path) -> bool:
    """Whether the suffix of ``path``, in any case, is that of a mask."""
    return suffix_of(path) in MASK_SUFFIXES


def suffix_of(path: Path) -> str:
    """Return the suffix in lower case; blanks at the end of a file's name are no part of it."""
    return path.suffix.strip().lower()


def list_files(folder: Path, *, skip: Collection[Path] = ()) -> Listing:
    """Return the files at any depth of ``folder``.

    Hidden files and folders are left out. A link to a folder is followed, unless it leads to a
    folder that it lies in.

    Args:
        folder: Where to look.
        skip: Folders inside it that are left out, by whatever path they are reached.

    Raises:
        DataError: a folder cannot be read.
    """
    skipped = {key for path in skip if (key := _identity(path)) is not None}
    loops: list[Fault] = []
    places = (folder.absolute(), folder.resolve())
    above = frozenset(_identity(path) for place in places for path in (place, *place.parents))
    files = sorted(_walk(folder, skipped, above, loops))
    return Listing(tuple(files), tuple(loops))


def list_images(folder: Path, *, skip: Collection[Path] = ()) -> list[Path]:
    """Return all images at any depth of ``folder``, sorted; ``list_files`` has the rules."""
    return [path for path in list_files(folder, skip=skip).files if is_image(path)]


def passed_over(folder: Path, files: Sequence[Path], role: str) -> list[Fault]:
    """Return one warning that counts the suffixes of ``files``, which are no ``role``."""
    if not files:
        return []
    counts = Counter(suffix_of(path) for path in files)
    example = {suffix_of(path): path.name for path in reversed(files)}
    kinds = ", ".join(
        f"{count} {suffix or 'without a suffix'} (such as {example[suffix]})"
        for suffix, count in sorted(counts.items())
    )
    what = f"passed over {len(files)} file(s) that are no {role} by their suffix: {kinds}"
    remedy = "save masks as PNG" if role == "mask" else "convert images to JPEG or PNG"
    return [Fault(kind="passed over", path=str(folder), what=what, remedy=remedy)]


def _walk(
    folder: Path,
    skipped: Collection[tuple[int, int]],
    above: frozenset[tuple[int, int] | None],
    loops: list[Fault],
) -> Iterator[Path]:
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        what = f"cannot be read ({error.strerror or error})"
        fault = Fault(
            kind="missing folder", path=str(folder), what=what, remedy="check its permissions"
        )
        raise DataError([fault]) from error
    for entry in entries:
        if entry.name.startswith("."):
            continue
        path = folder / entry.name
        if not _is_folder(entry):
            yield path
            continue
        key = _identity(path)
        if key in above:
            what, remedy = "is a link to a folder that it lies in", "remove it; it is not followed"
            loops.append(Fault(kind="folder loop", path=str(path), what=what, remedy=remedy))
        elif key not in skipped:
            yield from _walk(path, skipped, above | {key}, loops)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino
