"""The image files that a command line names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainables.data.layouts.listing import is_image, list_files, passed_over
from trainables.inference.outcome import MASKS, OVERLAYS, SHARES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class ImageFilesError(ValueError):
    """Paths that cannot be predicted; every fault is in the message."""


@dataclass(frozen=True, slots=True)
class ImageFile:
    """One image to predict."""

    path: Path
    """The file."""
    name: str
    """Path of its results below their folder, without a suffix."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """The images that paths name."""

    files: tuple[ImageFile, ...]
    """The images, each once."""
    warnings: tuple[str, ...]
    """Files and folders that were passed over."""


def gather_images(paths: Sequence[Path], out: Path) -> Gathered:
    """Return the images that ``paths`` name, folders searched at any depth, each file once.

    Results of a folder's images keep their place below it. Names that would be the same get the
    suffix of their file besides. Masks and overlays that lie in ``out``, or in the folder of
    another prediction, are no images.

    Args:
        paths: Images, and folders of them.
        out: Folder that the results are written to.

    Raises:
        ImageFilesError: a path does not exist or is no image, a folder has none, or a result would
            overwrite an image.
    """
    faults, warnings = list[str](), list[str]()
    found: dict[Path, str] = {}
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
                found.setdefault(image.absolute(), name)
        elif not path.is_file():
            faults.append(f"{path} does not exist")
        elif not is_image(path):
            faults.append(f"{path} is no image by its suffix; convert it to JPEG or PNG")
        else:
            found.setdefault(path.absolute(), path.stem)
    files = _with_names(found)
    faults += _overwritten(files, out)
    if faults:
        raise ImageFilesError("; ".join(faults))
    return Gathered(files, tuple(warnings))


def _results(folder: Path, out: Path) -> list[Path]:
    """Return the folders of results that a search of ``folder`` meets."""
    shares = (path.parent for path in folder.rglob(SHARES) if (path.parent / MASKS).is_dir())
    return [place / kind for place in (out, *shares) for kind in (MASKS, OVERLAYS)]


def _overwritten(files: Sequence[ImageFile], out: Path) -> list[str]:
    images = {file.path.resolve() for file in files}
    return [
        f"the result {result} would overwrite an image; give another folder by --out"
        for file in files
        for kind in (MASKS, OVERLAYS)
        if (result := out / kind / f"{file.name}.png").resolve() in images
    ]


def _with_names(found: dict[Path, str]) -> tuple[ImageFile, ...]:
    """Return the files, those of equal names told apart by suffix, then by number."""
    names = list(found.values())
    taken: set[str] = set()
    files = []
    for path, name in found.items():
        wanted = name if names.count(name) == 1 else f"{name}-{path.suffix.removeprefix('.')}"
        number, free = 1, wanted
        while free in taken:
            number += 1
            free = f"{wanted}-{number}"
        taken.add(free)
        files.append(ImageFile(path, free))
    return tuple(files)
