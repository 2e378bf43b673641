"""The image files that a command line names."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainables.data.layouts.listing import is_image, list_files, passed_over
from trainables.inference.outcome import MASKS, OVERLAYS, SHARES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class ImageFilesError(ValueError):
    """Paths that cannot be predicted; the message lists all faults."""


@dataclass(frozen=True, slots=True)
class ImageFile:
    """One image to predict."""

    path: Path
    """The file."""
    name: str
    """Path of its results in their folder, without a suffix."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """The images at the given paths."""

    files: tuple[ImageFile, ...]
    """The images, each once."""
    warnings: tuple[str, ...]
    """Warnings about skipped files and folders."""


def gather_images(paths: Sequence[Path], out: Path) -> Gathered:
    """Return the images at ``paths`` and in their subfolders, each file once.

    Results of a folder's images keep their relative path. Results with equal names get the file's
    suffix as well. Masks and overlays in ``out``, or in the folder of another prediction, are
    excluded.

    Args:
        paths: Images, and folders of images.
        out: Folder of the results.

    Raises:
        ImageFilesError: a path does not exist or is no image, a folder has none, or a result would
            overwrite an image.
    """
    faults, warnings = list[str](), list[str]()
    names: dict[Path, str] = {}
    for path in paths:
        if path.is_dir():
            listing = list_files(path, skip=_results(path, out))
            inside = [file for file in listing.files if is_image(file)]
            others = passed_over(path, [f for f in listing.files if not is_image(f)], "image")
            warnings += map(str, (*listing.warnings, *others))
            if not inside:
                faults.append("; ".join([f"{path} holds no image", *(w.what for w in others)]))
            for image in inside:
                name = image.relative_to(path).with_suffix("").as_posix()
                names.setdefault(image.absolute(), name)
        elif not path.is_file():
            faults.append(f"{path} does not exist")
        elif not is_image(path):
            faults.append(f"{path} is no image by its suffix; convert it to JPEG or PNG")
        else:
            names.setdefault(path.absolute(), path.stem)
    files = _unique(names)
    faults += _overwritten(files, out)
    if faults:
        raise ImageFilesError("; ".join(faults))
    return Gathered(files, tuple(warnings))


def _results(folder: Path, out: Path) -> list[Path]:
    """Return the folders of results in ``folder`` and its subfolders."""
    earlier = (path.parent for path in folder.rglob(SHARES) if (path.parent / MASKS).is_dir())
    return [results / kind for results in (out, *earlier) for kind in (MASKS, OVERLAYS)]


def _overwritten(files: Sequence[ImageFile], out: Path) -> list[str]:
    images = {file.path.resolve() for file in files}
    return [
        f"the result {result} would overwrite an image; give another folder by --out"
        for file in files
        for kind in (MASKS, OVERLAYS)
        if (result := out / kind / f"{file.name}.png").resolve() in images
    ]


def _unique(names: dict[Path, str]) -> tuple[ImageFile, ...]:
    """Return the files; equal names get the file's suffix, then a number."""
    counts = Counter(names.values())
    taken: set[str] = set()
    files = []
    for path, name in names.items():
        base = name if counts[name] == 1 else f"{name}-{path.suffix.removeprefix('.')}"
        number, unique = 1, base
        while unique in taken:
            number += 1
            unique = f"{base}-{number}"
        taken.add(unique)
        files.append(ImageFile(path, unique))
    return tuple(files)
