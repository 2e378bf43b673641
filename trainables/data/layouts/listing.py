"""The files below a folder, and the suffixes of images and masks."""

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
"""Formats that Pillow identifies, but decodes only with an external program or not at all."""
MASK_SUFFIXES = frozenset(
    {".png", ".tif", ".tiff", ".bmp", ".gif", ".pbm", ".pgm", ".ppm", ".pnm", ".tga"}
)
"""Lossless formats; JPEG, WebP and the like would change labels."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a folder."""

    files: tuple[Path, ...]
    """Files at any depth, sorted, without hidden ones; links are followed but not resolved."""
    warnings: tuple[Fault, ...]
    """Links to a folder above themselves, which are not followed."""


@cache
def image_suffixes() -> frozenset[str]:
    """Return the suffixes of all formats that Pillow decodes, in lower case, with dots."""
    Image.init()
    readable = {
        suffix
        for suffix, kind in Image.registered_extensions().items()
        if kind in Image.OPEN and kind not in _NO_PICTURES
    }
    # Pillow's JPEG reader opens stereo photographs, although it registers no reader for them.
    return frozenset(readable | {".mpo"})


def is_image(path: Path) -> bool:
    """Whether ``path`` has the suffix of an image, in upper or lower case."""
    return suffix_of(path) in image_suffixes()


def is_mask(path: Path) -> bool:
    """Whether ``path`` has the suffix of a mask, in upper or lower case."""
    return suffix_of(path) in MASK_SUFFIXES


def suffix_of(path: Path) -> str:
    """Return the suffix in lower case, without trailing blanks of the file's name."""
    return path.suffix.strip().lower()


def list_files(folder: Path, *, skip: Collection[Path] = ()) -> Listing:
    """Return the files at any depth of ``folder``.

    Hidden files and folders are skipped. Links to folders are followed, except links to a folder
    above the link.

    Args:
        folder: The folder.
        skip: Folders inside it to skip, even if a link leads to them.

    Raises:
        DataError: a folder cannot be read.
    """
    skipped = {key for path in skip if (key := _identity(path)) is not None}
    loops: list[Fault] = []
    chains = [(path, *path.parents) for path in (folder.absolute(), folder.resolve())]
    above = frozenset(_identity(path) for chain in chains for path in chain)
    files = sorted(_walk(folder, skipped, above, loops))
    return Listing(tuple(files), tuple(loops))


def passed_over(folder: Path, files: Sequence[Path], role: str) -> list[Fault]:
    """Return a warning that counts the suffixes of ``files``, none of which is a ``role``."""
    if not files:
        return []
    counts = Counter(suffix_of(path) for path in files)
    example = {suffix_of(path): path.name for path in reversed(files)}
    kinds = ", ".join(
        f"{count} {suffix or 'without a suffix'} (such as {example[suffix]})"
        for suffix, count in sorted(counts.items())
    )
    what = f"passed over {len(files)} file(s) without the suffix of a {role}: {kinds}"
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
        remedy = "check its permissions"
        fault = Fault(kind="missing folder", path=str(folder), what=what, remedy=remedy)
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
            what, remedy = "is a link to a folder above it", "remove it; it is not followed"
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
