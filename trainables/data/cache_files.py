"""Decodes the files of a split in parallel, and writes arrays row by row."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Self

import numpy as np
from PIL import Image

from trainables.data.decode import read_pair
from trainables.data.digest import usable_cpus

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

    from numpy.typing import NDArray

    from search_spaces.resolution import Resolution
    from trainables.data.layouts.base import SamplePaths
    from trainables.data.masks.labels import LabelMap

_CHUNK = 64
"""Samples that are decoded ahead of the consumer, which bounds the memory."""


class ArrayWriter:
    """Writes a ``.npy`` file row by row.

    It does not map the file: on a full disk a write raises OSError, while an access to a mapped
    page kills the process with SIGBUS.
    """

    def __init__(
        self, path: Path, shape: tuple[int, ...], dtype: type[np.generic] = np.uint8
    ) -> None:
        """Create ``path`` for an array of ``shape``, whose first axis is appended to."""
        self._file = path.open("wb")
        header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._file, header)

    def append(self, rows: NDArray[np.generic]) -> None:
        """Write the next entry, or entries, of the first axis."""
        self._file.write(np.ascontiguousarray(rows).data)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()


def decoded_samples(
    samples: Sequence[SamplePaths],
    labels: LabelMap,
    resolution: Resolution,
    masks: Resolution,
    max_pixels: int | None = None,
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """Yield ``(image H x W x 3, mask H x W in training ids)`` of every sample, in order.

    Raises:
        DataError: a file is missing, broken, or does not fit its partner or the labels.
    """

    def decode(sample: SamplePaths) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        image, mask = read_pair(sample, labels, max_pixels)
        return fit_image(image, resolution), fit_mask(mask, masks)

    # Threads are enough: Pillow decodes and resizes without the interpreter's lock.
    with ThreadPoolExecutor(max_workers=usable_cpus()) as pool:
        for start in range(0, len(samples), _CHUNK):
            yield from pool.map(decode, samples[start : start + _CHUNK])


def fit_image(image: Image.Image, resolution: Resolution) -> NDArray[np.uint8]:
    """Return the RGB image stretched to ``resolution``, antialiased bilinear, H x W x 3."""
    size = (resolution.width, resolution.height)
    return np.asarray(image.resize(size, Image.Resampling.BILINEAR), dtype=np.uint8)


def fit_mask(mask: NDArray[np.uint8], resolution: Resolution) -> NDArray[np.uint8]:
    """Return the mask stretched to ``resolution`` by the nearest pixel, H x W."""
    size = (resolution.width, resolution.height)
    return np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST), dtype=np.uint8)
