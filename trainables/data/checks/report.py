"""The report of a data check."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from trainables.data.faults import Fault
    from trainables.data.layouts.base import SplitRole


@dataclass(frozen=True, kw_only=True, slots=True)
class SplitReport:
    """Counts of one split over the samples that could be decoded."""

    role: SplitRole
    """Use of the split."""
    images: int
    """Samples listed, decodable or not."""
    sizes: tuple[tuple[int, int, int], ...]
    """(height, width, images) of every image size, the most frequent first."""
    class_pixels: tuple[int, ...]
    """Pixels of every class, by training id."""
    class_images: tuple[int, ...]
    """Images that each class occurs in, by training id."""
    ignored_pixels: int
    """Pixels that count neither in the loss nor in a metric."""
    digest: str
    """16 hex digits over names, sizes and content of the split's files."""
    raw_pixels: Mapping[int, int] = field(default_factory=dict)
    """Pixels of every raw mask value."""

    @property
    def frequencies(self) -> tuple[float, ...]:
        """Share of each class in the labelled pixels, [0, 1]; all 0 without a labelled pixel."""
        labelled = sum(self.class_pixels)
        return tuple(pixels / labelled if labelled else 0.0 for pixels in self.class_pixels)

    @property
    def ignored_share(self) -> float:
        """Share of ignored pixels, [0, 1]; 0 without any pixel."""
        total = sum(self.class_pixels) + self.ignored_pixels
        return self.ignored_pixels / total if total else 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class DataReport:
    """Contents and faults of a data set."""

    format: str
    """Layout of the data set."""
    root: str | None
    """Folder of the data set; None if it could not be listed."""
    class_names: tuple[str, ...]
    """Names of the classes by training id; empty if it could not be listed."""
    splits: tuple[SplitReport, ...]
    """Training, validation and, if any, test split; empty if it could not be listed."""
    faults: tuple[Fault, ...]
    """Faults; with any, the data set cannot be used."""
    warnings: tuple[Fault, ...]
    """Faults that do not prevent its use."""
    digest: str | None
    """16 hex digits over all files of the splits; None if it could not be listed."""

    @property
    def ok(self) -> bool:
        """Whether the data set can be used."""
        return not self.faults

    def split(self, role: SplitRole) -> SplitReport:
        """Return the split with that role; KeyError if the data set could not be listed."""
        for split in self.splits:
            if split.role == role:
                return split
        raise KeyError(f"no split {role!r} in the report; there are {len(self.splits)} splits")


def fault_lines(faults: Sequence[Fault], limit: int = 20) -> Iterator[str]:
    """Yield ``faults`` as lines, grouped by kind, at most ``limit`` of each kind."""
    kinds = dict.fromkeys(fault.kind for fault in faults)
    for kind in kinds:
        same = [fault for fault in faults if fault.kind == kind]
        yield from map(str, same[:limit])
        if len(same) > limit:
            yield f"... and {len(same) - limit} more of: {kind}"
