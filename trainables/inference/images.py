"""The image files that a command line names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainables.data.layouts.base import IMAGE_SUFFIXES, list_images

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


def gather_images(paths: Sequence[Path]) -> tuple[ImageFile, ...]:
    """Return the images that ``paths`` name, folders searched at any depth, each file once.

    Results of a folder's images keep their place below it. Names that would be the same get the
    suffix of their file besides.

    Raises:
        ImageFilesError: a path does not exist or is no image, or a folder has none.
    """
    faults: list[str] = []
    found: dict[Path, str] = {}
    for path in paths:
        if path.is_dir():
            inside = list_images(path)
            if not inside:
                faults.append(f"{path} holds no image ({', '.join(sorted(IMAGE_SUFFIXES))})")
            for image in inside:
                name = image.relative_to(path).with_suffix("").as_posix()
                found.setdefault(image.absolute(), name)
        elif not path.is_file():
            faults.append(f"{path} does not exist")
        elif path.suffix.lower() not in IMAGE_SUFFIXES:
            faults.append(f"{path} is no image; known are {', '.join(sorted(IMAGE_SUFFIXES))}")
        else:
            found.setdefault(path.absolute(), path.stem)
    if faults:
        raise ImageFilesError("; ".join(faults))
    return _with_names(found)


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
