"""The decoded image cache: memory-mapped arrays of one split at one resolution."""

from __future__ import annotations

import errno
import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import numpy as np
from filelock import FileLock

from trainables.data.cache_files import ArrayWriter, decoded_samples
from trainables.data.digest import join_digests, split_digest

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from search_spaces.config import Resolution
    from trainables.data.layouts.base import Layout, SplitRole

DECODING_VERSION = 2
"""Grows whenever the same files are decoded to other pixels."""
_IMAGES, _MASKS, _META = "images.npy", "masks.npy", "meta.json"
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class CacheError(OSError):
    """The cache folder cannot take the decoded images; survives pickling."""

    def __init__(self, folder: str, reason: str, needed: int, free: int | None) -> None:
        """Say what keeps ``folder`` from taking ``needed`` bytes; ``free`` None is not known."""
        self.folder, self.reason, self.needed, self.free = folder, reason, needed, free
        room = "" if free is None else f", {_size(free)} free"
        super().__init__(
            f"cache folder {folder}: {reason} ({_size(needed)} needed{room}); "
            "free some space there or set another cache folder"
        )

    def __reduce__(self) -> tuple[type[CacheError], tuple[str, str, int, int | None]]:
        """Rebuild from what was given, not from the finished message."""
        return type(self), (self.folder, self.reason, self.needed, self.free)


@dataclass(frozen=True, slots=True)
class CachedSplit:
    """One split, decoded; cheap to pickle, since the arrays are opened where they are read."""

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
    """Return the decoded split, built first where it is not in the cache yet.

    Every image is stretched to exactly ``resolution`` (antialiased bilinear) and every mask to
    ``mask_resolution`` (nearest; None: ``resolution``). So a point of the image has the same
    relative place at every resolution, and one set of soft labels serves them all. Any number of
    processes may ask at once: one builds, the others wait. ``free_bytes`` tells the space left in
    a folder; ``progress`` is called with images done and images in all.

    Raises:
        CacheError: the folder has too little space, or cannot be written to.
        DataError: a file is broken; ``check_data`` finds them all at once.
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
    found = CachedSplit(base / f"{role}-{resolution}-{key}")
    if _is_sound(found):
        return found
    try:
        base.mkdir(parents=True, exist_ok=True)
        with FileLock(base / f"{found.folder.name}.lock"):
            if not _is_sound(found):
                _check_space(base, needed, free_bytes or _free_bytes)
                _build(found.folder, layout, role, (resolution, masks), progress)
    except CacheError:
        raise
    except OSError as error:
        _refuse(base, needed, error)
    return found


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
    for leftover in folder.parent.glob(f"{folder.name}.partial-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    partial = Path(tempfile.mkdtemp(prefix=f"{folder.name}.partial-", dir=folder.parent))
    try:
        with (
            ArrayWriter(
                partial / _IMAGES, (count, resolution.height, resolution.width, 3)
            ) as to_images,
            ArrayWriter(partial / _MASKS, (count, masks.height, masks.width)) as to_masks,
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
        (partial / _META).write_text(json.dumps(meta, indent=1), encoding="utf-8")
        partial.chmod(0o755)
        shutil.rmtree(folder, ignore_errors=True)
        partial.replace(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _is_sound(split: CachedSplit) -> bool:
    # An array that was cut short after it was built (a full disk, a copy broken off) cannot be
    # mapped, so it is built again.
    try:
        count = json.loads((split.folder / _META).read_text(encoding="utf-8"))["images"]
        return bool(len(split.images()) == len(split.masks()) == count)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _map(path: Path) -> NDArray[np.uint8]:
    array: NDArray[np.uint8] = np.load(path, mmap_mode="r")
    return array


def _check_space(folder: Path, needed: int, free_bytes: Callable[[Path], int]) -> None:
    free = free_bytes(folder)
    if not free >= needed:
        raise CacheError(str(folder), "not enough space for the decoded images", needed, free)


def _free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def _refuse(folder: Path, needed: int, error: OSError) -> NoReturn:
    if error.errno in _NO_SPACE:
        raise CacheError(str(folder), "the space ran out", needed, None) from error
    reason = f"cannot be written to ({error.strerror or error})"
    raise CacheError(str(folder), reason, needed, None) from error


def _pixels(resolution: Resolution) -> int:
    return resolution.height * resolution.width


def _size(count: int) -> str:
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"
