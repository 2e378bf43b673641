"""Decode image and mask files, or say what is wrong with them."""

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
from trainables.data.masks.orientation import orientation_of, turned, upright

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
"""What Pillow's readers raise on broken files, depending on format and place."""

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
    """8-bit RGB, turned as it is displayed."""
    orientation: int
    """EXIF orientation that it was turned by, 1 to 8."""


class Mask(NamedTuple):
    """A decoded mask."""

    labels: Labels
    """Raw labels, height x width, turned as the mask is displayed."""
    orientation: int
    """EXIF orientation that it was turned by, 1 to 8."""
    unknown_colors: dict[int, int]
    """Pixels of every colour code that is no class; their labels mean nothing."""


def decode_picture(path: Path, data: bytes, max_pixels: int | None = None) -> Picture:
    """Return the image in ``data``, the bytes of file ``path``, turned as it is displayed.

    Grey, palette, CMYK images and images with transparency are converted. ``max_pixels`` is the
    size that is refused; None: what the available memory allows.

    Raises:
        DataError: the file is empty, broken, cut off, too large or has more than 8 bits per
            channel.
    """
    with _decoded("image", path, data, max_pixels) as (stored, orientation, left):
        if stored.mode in _WIDE_MODES:
            raise _unreadable(
                "image",
                path,
                f"holds {stored.mode} pixels, not 8-bit colour",
                "convert it to 8-bit RGB",
            )
        clear = stored.mode == "P" and "transparency" in stored.info
        image = stored.convert("RGBA") if clear else stored
        image = image if image.mode == "RGB" else image.convert("RGB")
        method = _METHODS.get(left)
        return Picture(image if method is None else image.transpose(method), orientation)


def decode_labels(
    path: Path,
    data: bytes,
    colors: tuple[tuple[int, int], ...] = (),
    max_pixels: int | None = None,
) -> Mask:
    """Return the mask in ``data``, the bytes of file ``path``, turned as it is displayed.

    Without ``colors`` a palette's indices are the labels, and 16-bit masks are kept in 16 bits when
    a value needs them. With ``colors`` (colour code, raw label) the colours of pixels or palette
    are.

    Raises:
        DataError: the file is empty, broken, cut off, too large or holds no labels.
    """
    with _decoded("mask", path, data, max_pixels) as (image, orientation, left):
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
        return Mask(turned(labels, left), orientation, unknown)


def decode_image(path: Path, data: bytes) -> Image.Image:
    """Return the image alone; ``decode_picture`` has the rules."""
    return decode_picture(path, data).image


def decode_mask(path: Path, data: bytes) -> Labels:
    """Return the raw labels alone; ``decode_labels`` has the rules."""
    return decode_labels(path, data).labels


def read_image(path: Path, max_pixels: int | None = None) -> Image.Image:
    """Return the 8-bit RGB image in file ``path``; ``decode_picture`` has the rules."""
    return decode_picture(path, read_bytes(path, "image"), max_pixels).image


def read_mask(path: Path) -> Labels:
    """Return the raw labels in file ``path``; ``decode_labels`` has the rules."""
    return decode_mask(path, read_bytes(path, "mask"))


def read_pair(
    sample: SamplePaths, labels: LabelMap, max_pixels: int | None = None
) -> tuple[Image.Image, NDArray[np.uint8]]:
    """Return the image as displayed and its mask in training ids, of one size.

    Raises:
        DataError: a file is missing, broken, or does not fit its partner or the labels.
    """
    picture = decode_picture(sample.image, read_bytes(sample.image, "image"), max_pixels)
    data = read_bytes(sample.mask, "mask")
    mask = decode_labels(sample.mask, data, labels.colors, max_pixels)
    raw = laid_over(picture, mask)
    if mask.unknown_colors:
        raise DataError(color_faults(mask.unknown_colors, {}, sample.mask))
    faults = pair_faults(sample, picture.image, raw, labels, count_labels(raw))
    if faults:
        raise DataError(faults)
    return picture.image, labels.apply(raw)


def laid_over(picture: Picture, mask: Mask) -> Labels:
    """Return the labels of ``mask`` as they lie over ``picture``."""
    return upright(
        mask.labels,
        picture.image.size,
        image_orientation=picture.orientation,
        mask_orientation=mask.orientation,
    )


def count_labels(mask: Labels) -> dict[int, int]:
    """Return ``{raw value: pixels}`` of the values that occur in ``mask``."""
    counts = np.bincount(mask.reshape(-1))
    return {int(raw): int(counts[raw]) for raw in np.flatnonzero(counts)}


def pair_faults(
    sample: SamplePaths,
    image: Image.Image,
    mask: Labels,
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


def color_faults(
    pixels: Mapping[int, int], files: Mapping[int, Path], path: Path, limit: int = 10
) -> list[Fault]:
    """Return a fault for each unknown colour, the most frequent first, with its pixels and a file.

    Args:
        pixels: Pixels of every unknown colour code.
        files: A mask that each colour occurs in.
        path: That mask where ``files`` has none.
        limit: Colours above this number are counted in one further fault.
    """
    ranked = sorted(pixels.items(), key=lambda item: (-item[1], item[0]))
    remedy = "give its class in data.class_colors, 'void' where it is to be ignored"
    found = [
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
        remedy = "a mask of so many colours was resampled or saved as JPEG; export it again as PNG"
        file = str(files.get(rest[0][0], path))
        found.append(Fault(kind="unknown color", path=file, what=what, remedy=remedy))
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


def read_bytes(path: Path, role: Role) -> bytes:
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


def _absence(path: Path, role: Role) -> str:
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


@contextmanager
def _decoded(
    role: Role, path: Path, data: bytes, max_pixels: int | None
) -> Iterator[tuple[Image.Image, int, int]]:
    """Give the decoded image, its EXIF orientation, and the part that is still to be applied.

    Whatever is done inside counts against the limit of large images. Pillow itself turns TIFF
    files.
    """
    if not data:
        raise _unreadable(role, path, "is empty (0 bytes)", "copy it again from its source")
    try:
        image = Image.open(io.BytesIO(data))
        with within_limit(image.size, max_pixels):
            before = orientation_of(image)
            image.load()
            left = orientation_of(image)
            yield image, (before if before > 1 else left), left
    except TooLargeError as error:
        raise _too_large(path, str(error)) from None
    except MemoryError:
        raise _too_large(path, "needs more memory than is available") from None
    except UnidentifiedImageError:
        what = f"is no image that Pillow can read ({len(data)} bytes)"
        raise _unreadable(role, path, what, "copy it again from its source") from None
    except DataError:
        raise
    except _BROKEN as error:
        what = f"is broken or cut off ({str(error) or type(error).__name__})"
        raise _unreadable(role, path, what, "copy it again from its source") from error


def _too_large(path: Path, what: str) -> DataError:
    remedy = (
        "scale it down, free memory, or set data.max_image_pixels (predict: --max-image-pixels)"
    )
    return DataError([Fault(kind="too large", path=str(path), what=what, remedy=remedy)])


def _no_labels(path: Path, image: Image.Image) -> DataError:
    channels = len(image.getbands())
    return _unreadable(
        "mask",
        path,
        f"holds {image.mode} pixels ({channels} channel{'s' * (channels > 1)}), not class labels",
        "save one label per pixel: an 8-bit grey or palette PNG whose values are class indices; "
        "or give the colour of every class in data.class_colors",
    )


def _narrow(path: Path, values: NDArray[np.generic]) -> Labels:
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


def _unreadable(role: Role, path: Path, what: str, remedy: str) -> DataError:
    kind: Literal["unreadable image", "unreadable mask"] = (
        "unreadable image" if role == "image" else "unreadable mask"
    )
    return DataError([Fault(kind=kind, path=str(path), what=what, remedy=remedy)])
