"""The decoded image cache: memory-mapped arrays of one split at one resolution."""

from __future__ import annotations

import errno
import json
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from filelock import FileLock

from trainables.data.cache_files import ArrayWriter, decoded_samples
from trainables.data.digest import join_digests, split_digest
from trainables.io.atomic import replaced_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from search_spaces.resolution import Resolution
    from trainables.data.layouts.base import Layout, SplitRole

DECODING_VERSION = 2
"""Increased whenever the same files are decoded to other pixels."""
_IMAGES, _MASKS, _META = "images.npy", "masks.npy", "meta.json"
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class CacheError(OSError):
    """The cache folder cannot be written to, or has too little space; survives pickling."""

    def __init__(self, folder: str, reason: str, needed: int, free: int | None) -> None:
        """Report why ``folder`` cannot hold ``needed`` bytes; ``free`` is None where unknown."""
        self.folder, self.reason, self.needed, self.free = folder, reason, needed, free
        room = "" if free is None else f", {_size(free)} free"
        super().__init__(
            f"cache folder {folder}: {reason} ({_size(needed)} needed{room}); "
            "free some space there or set another cache folder"
        )

    def __reduce__(self) -> tuple[type[CacheError], tuple[str, str, int, int | None]]:
        """Rebuild from the arguments: the default passes the message alone."""
        return type(self), (self.folder, self.reason, self.needed, self.free)


@dataclass(frozen=True, slots=True)
class CachedSplit:
    """One decoded split; cheap to pickle, because the arrays are opened on access."""

    folder: Path
    """Folder of the arrays."""

    def images(self) -> NDArray[np.uint8]:
        """Map the images read-only, N x H x W x 3, RGB."""
        return _map(self.folder / _IMAGES)

    def masks(self) -> NDArray[np.uint8]:
        """Map the training ids read-only, N x H x W, 255 where ignored."""
        return _map(self.folder / _MASKS)

    def label_pixels(self) -> tuple[int, ...]:
        """Return the pixels of the training ids 0 to 255, counted when the masks were resized."""
        meta = json.loads((self.folder / _META).read_text(encoding="utf-8"))
        return tuple(meta["label_pixels"])


def cached_split(
    layout: Layout,
    role: SplitRole,
    resolution: Resolution,
    cache_dir: str | Path,
    *,
    mask_resolution: Resolution | None = None,
    free_bytes: Callable[[Path], int] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> CachedSplit:
    """Return the decoded split, and build it first if the cache lacks it.

    Every image is stretched to exactly ``resolution`` (antialiased bilinear) and every mask to
    ``mask_resolution`` (nearest; None: ``resolution``). A point of the image thus has the same
    relative position at every resolution, and one set of soft labels fits them all. Of concurrent
    processes one builds and the others wait. ``free_bytes`` returns the free space of a folder;
    ``progress`` is called with the number of images done and the total.

    Raises:
        CacheError: the cache folder has too little space, or cannot be written to.
        DataError: a file is broken; ``check_data`` reports all of them.
    """
    masks = mask_resolution or resolution
    samples = layout.samples(role)
    key = join_digests(
        [
            f"{DECODING_VERSION} {resolution} {masks}",
            layout.labels.digest_text(),
            split_digest(layout, samples, cache_dir),
        ]
    )
    base = Path(cache_dir) / "decoded"
    needed = len(samples) * (3 * _pixels(resolution) + _pixels(masks)) + 4096
    split = CachedSplit(base / f"{role}-{resolution}-{key}")
    if _is_complete(split):
        return split
    with cache_errors(base, needed):
        base.mkdir(parents=True, exist_ok=True)
        with FileLock(base / f"{split.folder.name}.lock"):
            if not _is_complete(split):
                check_space(base, needed, "the decoded images", free_bytes)
                _build(split.folder, layout, role, (resolution, masks), progress)
    return split


def _build(
    folder: Path,
    layout: Layout,
    role: SplitRole,
    resolutions: tuple[Resolution, Resolution],
    progress: Callable[[int, int], None] | None,
) -> None:
    resolution, masks = resolutions
    samples = layout.samples(role)
    count = len(samples)
    image_shape = (count, resolution.height, resolution.width, 3)
    with replaced_folder(folder) as draft:
        with (
            ArrayWriter(draft / _IMAGES, image_shape) as to_images,
            ArrayWriter(draft / _MASKS, (count, masks.height, masks.width)) as to_masks,
        ):
            pairs = decoded_samples(samples, layout.labels, resolution, masks, layout.max_pixels)
            pixels = np.zeros(256, dtype=np.int64)
            for done, (image, mask) in enumerate(pairs, start=1):
                to_images.append(image)
                to_masks.append(mask)
                pixels += np.bincount(mask.reshape(-1), minlength=256)
                if progress is not None:
                    progress(done, count)
        meta = {
            "version": DECODING_VERSION,
            "images": count,
            "classes": list(layout.class_names),
            "resolution": str(resolution),
            "mask_resolution": str(masks),
            "label_pixels": pixels.tolist(),
        }
        (draft / _META).write_text(json.dumps(meta, indent=1), encoding="utf-8")


def _is_complete(split: CachedSplit) -> bool:
    # An array that was truncated after it was built (by an interrupted copy, for example) cannot
    # be mapped, so it is built again.
    try:
        count = json.loads((split.folder / _META).read_text(encoding="utf-8"))["images"]
        return bool(len(split.images()) == len(split.masks()) == count)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _map(path: Path) -> NDArray[np.uint8]:
    array: NDArray[np.uint8] = np.load(path, mmap_mode="r")
    return array


def check_space(
    folder: Path, needed: int, content: str, free_bytes: Callable[[Path], int] | None = None
) -> None:
    """Raise CacheError if ``folder`` has less than ``needed`` bytes free for ``content``."""
    free = free_bytes(folder) if free_bytes else shutil.disk_usage(folder).free
    if not free >= needed:
        raise CacheError(str(folder), f"not enough space for {content}", needed, free)


@contextmanager
def cache_errors(folder: Path, needed: int) -> Iterator[None]:
    """Raise CacheError for errors of the file system in the body."""
    try:
        yield
    except CacheError:
        raise
    except OSError as error:
        full = error.errno in _NO_SPACE
        failure = (
            "the space ran out" if full else f"cannot be written to ({error.strerror or error})"
        )
        raise CacheError(str(folder), failure, needed, None) from error


def _pixels(resolution: Resolution) -> int:
    return resolution.height * resolution.width


def _size(count: int) -> str:
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"
