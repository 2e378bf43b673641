"""Decodes image and mask files, and reports their faults."""

from __future__ import annotations

import io
import struct
import unicodedata
import zlib
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import numpy as np
from PIL import Image, UnidentifiedImageError

from trainables.data.faults import DataError, Fault
from trainables.data.image_limit import TooLargeError, within_limit
from trainables.data.masks.class_colors import code_text
from trainables.data.masks.colored_masks import NoColorsError, labels_of_colors
from trainables.data.masks.orientation import orientation_of, oriented, upright

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from trainables.data.layouts.base import SamplePaths
    from trainables.data.masks.labels import LabelMap
    from trainables.data.masks.orientation import Labels

Role: TypeAlias = Literal["image", "mask"]

_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    EOFError,
    IndexError,
    KeyError,
    OverflowError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
"""What Pillow's readers raise on broken files, depending on the format and the damage."""

_WIDE_MODES = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")
_INDEX_MODES = ("L", "P", "1")
_METHODS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class Picture(NamedTuple):
    """A decoded image."""

    image: Image.Image
    """8-bit RGB, oriented as displayed."""
    orientation: int
    """EXIF orientation of the file, 1 to 8."""


class Mask(NamedTuple):
    """A decoded mask."""

    labels: Labels
    """Raw labels, height x width, oriented as displayed."""
    orientation: int
    """EXIF orientation of the file, 1 to 8."""
    unknown_colors: dict[int, int]
    """Pixels of every colour code that belongs to no class; their labels are not valid."""


def decode_picture(path: Path, data: bytes, max_pixels: int | None = None) -> Picture:
    """Return the image in ``data``, the bytes of file ``path``, oriented as displayed.

    Grey, palette and CMYK images and images with transparency are converted. ``max_pixels`` is the
    largest allowed size; None: what the available memory allows.

    Raises:
        DataError: the file is empty, broken, truncated, too large or has more than 8 bits per
            channel.
    """
    with _decoded("image", path, data, max_pixels) as (stored, orientation, remaining):
        if stored.mode in _WIDE_MODES:
            what = f"holds {stored.mode} pixels, not 8-bit colour"
            raise _unreadable("image", path, what, "convert it to 8-bit RGB")
        transparent = stored.mode == "P" and "transparency" in stored.info
        image = stored.convert("RGBA") if transparent else stored
        image = image if image.mode == "RGB" else image.convert("RGB")
        method = _METHODS.get(remaining)
        return Picture(image if method is None else image.transpose(method), orientation)


def decode_labels(
    path: Path,
    data: bytes,
    colors: tuple[tuple[int, int], ...] = (),
    max_pixels: int | None = None,
) -> Mask:
    """Return the mask in ``data``, the bytes of file ``path``, oriented as displayed.

    Without ``colors`` a palette's indices are the labels, and masks of 16 bits keep these if a
    value needs them. With ``colors`` (colour code, raw label), colours are the labels.

    Raises:
        DataError: the file is empty, broken, truncated, too large or holds no labels.
    """
    with _decoded("mask", path, data, max_pixels) as (image, orientation, remaining):
        unknown: dict[int, int] = {}
        labels: Labels
        if colors:
            try:
                labels, unknown = labels_of_colors(image, colors)
            except NoColorsError as error:
                raise _unreadable("mask", path, *error.args) from None
        elif image.mode in _INDEX_MODES:
            labels = np.asarray(image).astype(np.uint8)
        elif image.mode in _WIDE_MODES and image.mode != "F":
            labels = _narrow(path, np.asarray(image))
        else:
            raise _no_labels(path, image)
        return Mask(oriented(labels, remaining), orientation, unknown)


def read_image(path: Path, max_pixels: int | None = None) -> Image.Image:
    """Return the 8-bit RGB image in file ``path``, as ``decode_picture`` does."""
    return decode_picture(path, read_bytes(path, "image"), max_pixels).image


def read_mask(path: Path) -> Labels:
    """Return the raw labels in file ``path``, as ``decode_labels`` does."""
    return decode_labels(path, read_bytes(path, "mask")).labels


def read_pair(
    sample: SamplePaths, labels: LabelMap, max_pixels: int | None = None
) -> tuple[Image.Image, NDArray[np.uint8]]:
    """Return the image as displayed and its mask in training ids, of equal size.

    Raises:
        DataError: a file is missing or broken, or the mask does not fit the image or the labels.
    """
    picture = decode_picture(sample.image, read_bytes(sample.image, "image"), max_pixels)
    data = read_bytes(sample.mask, "mask")
    mask = decode_labels(sample.mask, data, labels.colors, max_pixels)
    raw = aligned_labels(picture, mask)
    if mask.unknown_colors:
        raise DataError(color_faults(mask.unknown_colors, {}, sample.mask))
    faults = pair_faults(sample, picture.image, raw, labels, count_labels(raw))
    if faults:
        raise DataError(faults)
    return picture.image, labels.apply(raw)


def aligned_labels(picture: Picture, mask: Mask) -> Labels:
    """Return the labels of ``mask``, aligned with ``picture``."""
    return upright(
        mask.labels,
        picture.image.size,
        image_orientation=picture.orientation,
        mask_orientation=mask.orientation,
    )


def count_labels(mask: Labels) -> dict[int, int]:
    """Return ``{raw value: pixels}`` of the values in ``mask``."""
    counts = np.bincount(mask.reshape(-1))
    return {int(raw): int(counts[raw]) for raw in np.flatnonzero(counts)}


def pair_faults(
    sample: SamplePaths,
    image: Image.Image,
    mask: Labels,
    labels: LabelMap,
    counts: Mapping[int, int],
) -> list[Fault]:
    """Return the faults of a decoded image with its mask; ``counts`` are the mask's labels."""
    faults = []
    height, width = mask.shape
    if image.size != (width, height):
        what = f"is {width}x{height}, its image {sample.image.name} is {image.width}x{image.height}"
        remedy = "give image and mask the same width and height"
        path = str(sample.mask)
        faults.append(Fault(kind="size mismatch", path=path, what=what, remedy=remedy))
    unknown = labels.unknown(counts)
    if unknown:
        what = "unknown label " + ", ".join(f"{raw} ({n} pixels)" for raw, n in unknown.items())
        remedy = f"known are {ranges(labels.known())}; name the class or set data.ignore_index"
        path = str(sample.mask)
        faults.append(Fault(kind="unknown label", path=path, what=what, remedy=remedy))
    return faults


def color_faults(
    pixels: Mapping[int, int], files: Mapping[int, Path], path: Path, limit: int = 10
) -> list[Fault]:
    """Return a fault for each unknown colour with its pixels and a file, most frequent first.

    Args:
        pixels: Pixels of every unknown colour code.
        files: A mask in which each colour occurs.
        path: The mask of colours that ``files`` lacks.
        limit: Colours with a fault of their own; one more fault counts the rest.
    """
    ranked = sorted(pixels.items(), key=lambda item: (-item[1], item[0]))
    remedy = "give its class in data.class_colors, or 'void' to ignore it"
    faults = [
        Fault(
            kind="unknown color",
            path=str(files.get(code, path)),
            what=f"unknown colour {code_text(code)} ({count} pixels)",
            remedy=remedy,
        )
        for code, count in ranked[:limit]
    ]
    rest = ranked[limit:]
    if rest:
        what = f"{len(rest)} further unknown colours ({sum(n for _, n in rest)} pixels)"
        remedy = "the mask was probably resampled or saved as JPEG; export it again as PNG"
        file = str(files.get(rest[0][0], path))
        faults.append(Fault(kind="unknown color", path=file, what=what, remedy=remedy))
    return faults


def ranges(values: Sequence[int]) -> str:
    """Return ascending ``values`` as text with runs merged: ``0-10, 255``."""
    runs: list[list[int]] = []
    for value in values:
        if runs and value == runs[-1][1] + 1:
            runs[-1][1] = value
        else:
            runs.append([value, value])
    return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in runs)


def read_bytes(path: Path, role: Role) -> bytes:
    """Return the content of ``path``.

    Raises:
        DataError: the file does not exist or cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        partner = "mask" if role == "image" else "image"
        what, remedy = _absence(path, role), f"add the {role} or remove its {partner}"
        fault = Fault(kind="missing file", path=str(path), what=what, remedy=remedy)
        raise DataError([fault]) from None
    except OSError as error:
        what = f"cannot be read ({error.strerror or error})"
        raise _unreadable(role, path, what, "check its permissions") from error


def _absence(path: Path, role: Role) -> str:
    """Return that a file is missing, and the files of its folder with similar names."""
    if path.is_symlink():
        return f"this {role} is a link to {path.readlink()}, which does not exist"
    try:
        names = _names_in(path.parent, path.parent.stat().st_mtime_ns)
    except OSError:
        return f"this {role} and its folder do not exist"
    stem = _comparable(path.stem)
    similar = [name for name in names if _comparable(name).startswith(stem)][:3]
    return f"this {role} does not exist" + (f", but {', '.join(similar)} does" if similar else "")


@lru_cache(maxsize=4)
def _names_in(folder: Path, changed_ns: int) -> tuple[str, ...]:  # noqa: ARG001 - part of the cache's key
    return tuple(sorted(path.name for path in folder.iterdir() if not path.name.startswith(".")))


def _comparable(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


@contextmanager
def _decoded(
    role: Role, path: Path, data: bytes, max_pixels: int | None
) -> Iterator[tuple[Image.Image, int, int]]:
    """Yield the decoded image, its EXIF orientation, and the orientation still to be applied.

    Pillow itself orients TIFF files. The body counts against the limit of large images.
    """
    if not data:
        raise _unreadable(role, path, "is empty (0 bytes)", "copy it again from its source")
    try:
        image = Image.open(io.BytesIO(data))
        with within_limit(image.size, max_pixels):
            before = orientation_of(image)
            image.load()
            remaining = orientation_of(image)
            yield image, (before if before > 1 else remaining), remaining
    except TooLargeError as error:
        raise _too_large(path, str(error)) from None
    except MemoryError:
        raise _too_large(path, "needs more memory than is available") from None
    except UnidentifiedImageError:
        what = f"is not an image that Pillow can read ({len(data)} bytes)"
        raise _unreadable(role, path, what, "copy it again from its source") from None
    except DataError:
        raise
    except _BROKEN as error:
        what = f"is broken or truncated ({str(error) or type(error).__name__})"
        raise _unreadable(role, path, what, "copy it again from its source") from error


def _too_large(path: Path, what: str) -> DataError:
    remedy = (
        "scale it down, free memory, or set data.max_image_pixels (predict: --max-image-pixels)"
    )
    return DataError([Fault(kind="too large", path=str(path), what=what, remedy=remedy)])


def _no_labels(path: Path, image: Image.Image) -> DataError:
    channels = len(image.getbands())
    what = f"holds {image.mode} pixels ({channels} channel{'s' * (channels > 1)}), not class labels"
    remedy = (
        "save one label per pixel: an 8-bit grey or palette PNG whose values are class indices; "
        "or give the colour of every class in data.class_colors"
    )
    return _unreadable("mask", path, what, remedy)


def _narrow(path: Path, values: NDArray[np.generic]) -> Labels:
    wide = values.astype(np.int64)
    low, high = int(wide.min()), int(wide.max())
    if low < 0 or high > 65535:
        what = f"holds labels from {low} to {high}"
        raise _unreadable("mask", path, what, "save labels from 0 to 255 as an 8-bit PNG")
    return wide.astype(np.uint8) if high <= 255 else wide.astype(np.uint16)


def _unreadable(role: Role, path: Path, what: str, remedy: str) -> DataError:
    kind: Literal["unreadable image", "unreadable mask"] = (
        "unreadable image" if role == "image" else "unreadable mask"
    )
    return DataError([Fault(kind=kind, path=str(path), what=what, remedy=remedy)])
