"""Soft labels on disk: one memory-mapped array of logits."""

from __future__ import annotations

import errno
import json
import math
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trainables.data.cache import CacheError

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


def is_sound(folder: Path) -> bool:
    """Whether the logits in ``folder`` are there, of full length, and were all finite."""
    try:
        facts = json.loads((folder / _META).read_text(encoding="utf-8"))
        return bool(facts["finite"] and list(open_soft_labels(folder).shape) == facts["shape"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def write_soft_labels(
    folder: Path,
    shape: tuple[int, int, int, int],
    batches: Iterable[NDArray[np.float16]],
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Make ``folder`` hold the logits of ``batches``, whole or not at all.

    Args:
        folder: Replaced where it is there; its parent must exist.
        shape: N x C x h x w of all logits.
        batches: Logits n x C x h x w, N images in all, in order.
        progress: Called with images done and images in all.

    Raises:
        CacheError: there is too little space.
        ValueError: the batches do not add up to ``shape``, or hold a value that is not finite.
    """
    needed = 2 * math.prod(shape) + 4096
    free = shutil.disk_usage(folder.parent).free
    if free < needed:
        raise CacheError(str(folder.parent), "not enough space for the soft labels", needed, free)
    for leftover in folder.parent.glob(f"{folder.name}.partial-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    partial = Path(tempfile.mkdtemp(prefix=f"{folder.name}.partial-", dir=folder.parent))
    try:
        _write(partial / _LOGITS, shape, batches, progress)
        facts = {"shape": shape, "finite": True}
        (partial / _META).write_text(json.dumps(facts), encoding="utf-8")
        partial.chmod(0o755)
        shutil.rmtree(folder, ignore_errors=True)
        partial.replace(folder)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise CacheError(str(folder.parent), "the space ran out", needed, None) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _require_finite(logits: NDArray[np.float16], first: int) -> None:
    """Refuse logits that no student can learn from; ``first`` is the number of their first."""
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
    # Plain writes: on a full disk they raise, where a memory map would kill the process.
    header = {"descr": np.dtype(np.float16).str, "fortran_order": False, "shape": shape}
    done = 0
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for logits in batches:
            if logits.shape[1:] != shape[1:]:
                raise ValueError(f"logits of shape {logits.shape} do not fit into {shape}")
            _require_finite(logits, done)
            file.write(np.ascontiguousarray(logits).data)
            done += len(logits)
            if progress is not None:
                progress(done, shape[0])
    if done != shape[0]:
        raise ValueError(f"{done} images of logits were given, {shape[0]} announced")
