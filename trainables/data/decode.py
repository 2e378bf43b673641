"""Decode image and mask files, or say what is wrong with them."""

from __future__ import annotations

import io
import struct
import unicodedata
import zlib
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image, UnidentifiedImageError

from trainables.data.faults import DataError, Fault

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from trainables.data.labels import LabelMap
    from trainables.data.layouts.base import SamplePaths

_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    EOFError,
    IndexError,
    KeyError,
    OverflowError,
    MemoryError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
"""What Pillow's readers raise on broken files, depending on format and place."""

_WIDE_MODES = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")
_INDEX_MODES = ("L", "P", "1")


def decode_image(path: Path, data: bytes) -> Image.Image:
    """Return the 8-bit RGB image in ``data``, the bytes of file ``path``.

    Grey, palette, CMYK images and images with transparency are converted; an EXIF rotation is not
    applied, since masks are drawn on the stored pixels.

    Raises:
        DataError: the file is empty, broken, cut off or has more than 8 bits per channel.
    """
    image = _decode("image", path, data)
    if image.mode in _WIDE_MODES:
        raise _unreadable(
            "image", path, f"holds {image.mode} pixels, not 8-bit colour", "convert it to 8-bit RGB"
        )
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image if image.mode == "RGB" else image.convert("RGB")


def decode_mask(path: Path, data: bytes) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Return the raw labels (height x width) in ``data``, the bytes of file ``path``.

    A palette's indices are the labels; 16-bit masks are kept in 16 bits when a value needs them.

    Raises:
        DataError: the file is empty, broken, cut off or holds colours rather than labels.
    """
    image = _decode("mask", path, data)
    if image.mode in _INDEX_MODES:
        return np.asarray(image).astype(np.uint8)
    if image.mode in _WIDE_MODES and image.mode != "F":
        return _narrow(path, np.asarray(image))
    channels = len(image.getbands())
    raise _unreadable(
        "mask",
        path,
        f"holds {image.mode} pixels ({channels} channel{'s' * (channels > 1)}), not class labels",
        "save one label per pixel: an 8-bit grey or palette PNG whose values are class indices",
    )


def read_image(path: Path) -> Image.Image:
    """Return the 8-bit RGB image in file ``path``; ``decode_image`` says what is refused."""
    return decode_image(path, read_bytes(path, "image"))


def read_mask(path: Path) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Return the raw labels in file ``path``; ``decode_mask`` says what is refused."""
    return decode_mask(path, read_bytes(path, "mask"))


def count_labels(mask: NDArray[np.uint8] | NDArray[np.uint16]) -> dict[int, int]:
    """Return ``{raw value: pixels}`` of the values that occur in ``mask``."""
    counts = np.bincount(mask.reshape(-1))
    return {int(raw): int(counts[raw]) for raw in np.flatnonzero(counts)}


def pair_faults(
    sample: SamplePaths,
    image: Image.Image,
    mask: NDArray[np.uint8] | NDArray[np.uint16],
    labels: LabelMap,
    counts: Mapping[int, int],
) -> list[Fault]:
    """Return what is wrong with a decoded image and its mask; ``counts`` are the mask's labels."""
    found = []
    height, width = mask.shape
    if image.size != (width, height):
        what = f"is {width}x{height}, its image {sample.image.name} is {image.width}x{image.height}"
        remedy = "give image and mask the same width and height"
        fault = Fault(kind="size mismatch", path=str(sample.mask), what=what, remedy=remedy)
        found.append(fault)
    unknown = labels.unknown(counts)
    if unknown:
        what = "unknown label " + ", ".join(f"{raw} ({n} pixels)" for raw, n in unknown.items())
        remedy = f"known are {ranges(labels.known())}; name the class or set data.ignore_index"
        fault = Fault(kind="unknown label", path=str(sample.mask), what=what, remedy=remedy)
        found.append(fault)
    return found


def ranges(values: Sequence[int]) -> str:
    """Return ascending ``values`` as text, runs drawn together: ``0-10, 255``."""
    runs: list[list[int]] = []
    for value in values:
        if runs and value == runs[-1][1] + 1:
            runs[-1][1] = value
        else:
            runs.append([value, value])
    return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in runs)


def read_bytes(path: Path, role: Literal["image", "mask"]) -> bytes:
    """Return the content of ``path``.

    Raises:
        DataError: the file is not there or may not be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        what, remedy = _absence(path, role), f"add the {role} or remove its partner"
        fault = Fault(kind="missing file", path=str(path), what=what, remedy=remedy)
        raise DataError([fault]) from None
    except OSError as error:
        raise _unreadable(
            role, path, f"cannot be read ({error.strerror or error})", "check its permissions"
        ) from error


def _absence(path: Path, role: Literal["image", "mask"]) -> str:
    """Return that a file is missing, with the files in its place that are named much like it."""
    if path.is_symlink():
        return f"this {role} is a link to {path.readlink()}, which is not there"
    try:
        names = _names_in(path.parent, path.parent.stat().st_mtime_ns)
    except OSError:
        return f"this {role} is not there, and its folder neither"
    stem = _comparable(path.stem)
    near = [name for name in names if _comparable(name).startswith(stem)][:3]
    return f"this {role} is not there" + (f", but {', '.join(near)} is" if near else "")


@lru_cache(maxsize=4)
def _names_in(folder: Path, changed_ns: int) -> tuple[str, ...]:  # noqa: ARG001 - part of the key
    return tuple(sorted(path.name for path in folder.iterdir() if not path.name.startswith(".")))


def _comparable(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _decode(role: Literal["image", "mask"], path: Path, data: bytes) -> Image.Image:
    if not data:
        raise _unreadable(role, path, "is empty (0 bytes)", "copy it again from its source")
    try:
        image = Image.open(io.BytesIO(data))
        image.load()
    except UnidentifiedImageError:
        what = f"is no image that Pillow can read ({len(data)} bytes)"
        raise _unreadable(role, path, what, "copy it again from its source") from None
    except _BROKEN as error:
        what = f"is broken or cut off ({str(error) or type(error).__name__})"
        raise _unreadable(role, path, what, "copy it again from its source") from error
    return image


def _narrow(path: Path, values: NDArray[np.generic]) -> NDArray[np.uint8] | NDArray[np.uint16]:
    wide = values.astype(np.int64)
    low, high = int(wide.min()), int(wide.max())
    if low < 0 or high > 65535:
        raise _unreadable(
            "mask",
            path,
            f"holds labels from {low} to {high}",
            "save labels from 0 to 255 as an 8-bit PNG",
        )
    return wide.astype(np.uint8) if high <= 255 else wide.astype(np.uint16)


def _unreadable(role: Literal["image", "mask"], path: Path, what: str, remedy: str) -> DataError:
    kind: Literal["unreadable image", "unreadable mask"] = (
        "unreadable image" if role == "image" else "unreadable mask"
    )
    return DataError([Fault(kind=kind, path=str(path), what=what, remedy=remedy)])
