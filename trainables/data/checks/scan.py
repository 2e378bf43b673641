"""The scan of one sample: sizes, labels, digests and faults."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeVar

from trainables.data.decode import (
    aligned_labels,
    count_labels,
    decode_labels,
    decode_picture,
    pair_faults,
    read_bytes,
)
from trainables.data.digest import MISSING, content_digest
from trainables.data.faults import DataError, Fault
from trainables.data.masks.orientation import is_unclear

if TYPE_CHECKING:
    from collections.abc import Callable

    from trainables.data.layouts.base import SamplePaths
    from trainables.data.masks.labels import LabelMap


Decoded = TypeVar("Decoded")


class PairDigests(NamedTuple):
    """Content digests of a sample's two files, ``missing`` where one cannot be read."""

    image: str
    mask: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleScan:
    """Contents and faults of one sample."""

    digests: PairDigests
    """Content digests of image and mask."""
    size: tuple[int, int] | None
    """(height, width) of the image; None where it cannot be decoded."""
    label_pixels: dict[int, int] = field(default_factory=dict)
    """Pixels of every raw mask value that occurs; empty where the mask cannot be decoded."""
    unknown_colors: dict[int, int] = field(default_factory=dict)
    """Pixels of every colour code of the mask that belongs to no class."""
    unclear_orientation: bool = False
    """Whether the mask fits both the stored and the displayed image."""
    faults: tuple[Fault, ...]
    """All faults of the two files."""


def scan_sample(
    sample: SamplePaths, *, root: Path, labels: LabelMap, max_pixels: int | None = None
) -> SampleScan:
    """Return contents and faults of ``sample``, whose files must lie in the folder ``root``."""
    faults = [fault for path in sample for fault in _link_faults(path, root)]
    faults += _same_file_faults(sample)
    image_digest, picture = _decoded(
        sample.image, "image", partial(decode_picture, max_pixels=max_pixels), faults
    )
    mask_digest, mask = _decoded(
        sample.mask,
        "mask",
        partial(decode_labels, colors=labels.colors, max_pixels=max_pixels),
        faults,
    )
    counts: dict[int, int] = {}
    if mask is not None and not mask.unknown_colors:
        counts = count_labels(mask.labels)
    unclear = False
    if picture is not None and mask is not None:
        image = picture.image
        faults += pair_faults(sample, image, aligned_labels(picture, mask), labels, counts)
        unclear = is_unclear(image.size, picture.orientation, mask.orientation)
    return SampleScan(
        digests=PairDigests(image_digest, mask_digest),
        size=None if picture is None else (picture.image.height, picture.image.width),
        label_pixels=counts,
        unknown_colors={} if mask is None else mask.unknown_colors,
        unclear_orientation=unclear,
        faults=tuple(faults),
    )


def _decoded(
    path: Path,
    role: Literal["image", "mask"],
    decode: Callable[[Path, bytes], Decoded],
    faults: list[Fault],
) -> tuple[str, Decoded | None]:
    """Return digest and decoded content of a file; its faults are added to ``faults``."""
    digest = MISSING
    try:
        data = read_bytes(path, role)
        digest = content_digest(data)
        return digest, decode(path, data)
    except DataError as error:
        faults += error.faults
        return digest, None


def _link_faults(path: Path, root: Path) -> list[Fault]:
    try:
        target = path.resolve()
    except (OSError, RuntimeError) as error:
        what = f"is a link that cannot be resolved ({error})"
        return [Fault(kind="link out of the root", path=str(path), what=what, remedy="remove it")]
    inside = path.relative_to(root) if path.is_relative_to(root) else Path("..")
    through_folder = not path.is_symlink() and ".." not in inside.parts
    if through_folder or target.is_relative_to(root.resolve()):
        return []
    what = f"is a link to {target}, outside the data set's folder"
    remedy = "copy the file into the folder, or link its whole folder"
    return [Fault(kind="link out of the root", path=str(path), what=what, remedy=remedy)]


def _same_file_faults(sample: SamplePaths) -> list[Fault]:
    try:
        same = sample.image.samefile(sample.mask)
    except (OSError, RuntimeError):
        return []
    if not same:
        return []
    what, remedy = f"is the same file as its image {sample.image}", "give the mask its own file"
    return [Fault(kind="unreadable mask", path=str(sample.mask), what=what, remedy=remedy)]
