"""Decode the files of a split in parallel, in order, into array files."""

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

    from search_spaces.config import Resolution
    from trainables.data.layouts.base import SamplePaths
    from trainables.data.masks.labels import LabelMap

_CHUNK = 64


class ArrayWriter:
    """Writes a uint8 ``.npy`` file row by row.

    Plain writes, not a memory map: on a full disk a write raises, where touching a mapped page
    kills the process.
    """

    def __init__(self, path: Path, shape: tuple[int, ...]) -> None:
        """Create ``path`` for an array of ``shape``, first axis appended to."""
        self._file = path.open("wb")
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._file, header)

    def append(self, row: NDArray[np.uint8]) -> None:
        """Write the next entry of the first axis."""
        self._file.write(np.ascontiguousarray(row).data)

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

    Threads are enough, for Pillow decodes and resizes without holding the interpreter; a chunk at
    a time bounds the memory.

    Raises:
        DataError: a file is missing, broken, or does not fit its partner or the labels.
    """

    def decode(sample: SamplePaths) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        image, mask = read_pair(sample, labels, max_pixels)
        return fit_image(image, resolution), fit_mask(mask, masks)

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
