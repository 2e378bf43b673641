"""Soft labels on disk: one memory-mapped array of logits."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trainables.data.cache import cache_errors, check_space
from trainables.data.cache_files import ArrayWriter
from trainables.io.atomic import replaced_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

_LOGITS, _META = "logits.npy", "meta.json"


def open_soft_labels(folder: str | Path) -> NDArray[np.float16]:
    """Return the logits in ``folder``, mapped read-only: float16 N x C x h x w.

    Raises:
        FileNotFoundError: there are none.
    """
    logits: NDArray[np.float16] = np.load(Path(folder) / _LOGITS, mmap_mode="r")
    return logits


def is_complete(folder: Path) -> bool:
    """Whether ``folder`` holds logits of full length that were all checked to be finite."""
    try:
        meta = json.loads((folder / _META).read_text(encoding="utf-8"))
        return bool(meta["finite"] and list(open_soft_labels(folder).shape) == meta["shape"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def write_soft_labels(
    folder: Path,
    shape: tuple[int, int, int, int],
    batches: Iterable[NDArray[np.float16]],
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Replace ``folder`` by the logits of ``batches``; if that fails it stays as it was.

    Args:
        folder: Its parent must exist, and the caller holds a lock on it.
        shape: N x C x h x w of all logits.
        batches: Logits n x C x h x w, N images in total, in order.
        progress: Called with the number of images done and the total.

    Raises:
        CacheError: the folder has too little space, or cannot be written to.
        ValueError: the batches do not add up to ``shape``, or hold a value that is not finite.
    """
    needed = 2 * math.prod(shape) + 4096
    with cache_errors(folder.parent, needed):
        check_space(folder.parent, needed, "the soft labels")
        with replaced_folder(folder) as draft:
            _write(draft / _LOGITS, shape, batches, progress)
            meta = {"shape": shape, "finite": True}
            (draft / _META).write_text(json.dumps(meta), encoding="utf-8")


def _check_finite(logits: NDArray[np.float16], first: int) -> None:
    """Raise ValueError for logits that are not finite; ``first`` is the index of their first."""
    broken = np.flatnonzero(~np.isfinite(logits).all(axis=(1, 2, 3)))
    if broken.size:
        raise ValueError(
            f"the logits of training image {first + int(broken[0])} are not finite in float16, "
            "whose largest value is 65504"
        )


def _write(
    path: Path,
    shape: tuple[int, int, int, int],
    batches: Iterable[NDArray[np.float16]],
    progress: Callable[[int, int], None] | None,
) -> None:
    done = 0
    with ArrayWriter(path, shape, np.float16) as writer:
        for logits in batches:
            if logits.shape[1:] != shape[1:]:
                raise ValueError(f"logits of shape {logits.shape} do not fit into {shape}")
            _check_finite(logits, done)
            writer.append(logits)
            done += len(logits)
            if progress is not None:
                progress(done, shape[0])
    if done != shape[0]:
        raise ValueError(f"got logits of {done} images, expected {shape[0]}")
