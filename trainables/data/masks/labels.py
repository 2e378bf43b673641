"""Label maps: the training id of each raw mask value."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

IGNORE = 255
"""Training id of pixels that are left out of loss and metrics, in every layout."""
UNKNOWN = -1
"""Entry of the table for raw values that the layout does not define."""
MAX_CLASSES = 255


@dataclass(frozen=True, slots=True)
class LabelMap:
    """A table from the 256 raw mask values to training ids, ``IGNORE`` or ``UNKNOWN``."""

    table: tuple[int, ...]
    colors: tuple[tuple[int, int], ...] = ()
    """(colour code, raw value) of masks that hold colours; empty where they hold raw values."""

    @classmethod
    def of(cls, train_ids: Mapping[int, int], ignored: Iterable[int] = ()) -> LabelMap:
        """Build the table from ``{raw value: training id}`` and ``ignored`` raw values.

        Values outside [0, 255] are skipped: an 8-bit mask cannot hold them.
        """
        table = [UNKNOWN] * 256
        for raw in ignored:
            if 0 <= raw <= 255:
                table[raw] = IGNORE
        for raw, train_id in train_ids.items():
            if 0 <= raw <= 255:
                table[raw] = train_id
        return cls(tuple(table))

    @classmethod
    def positional(cls, names: Sequence[str], ignore_index: int) -> tuple[LabelMap, list[str]]:
        """Return the map in which ``names[i]`` is raw value ``i``, and the trained names.

        If ``ignore_index`` is a position of ``names``, that class is skipped and the training ids
        of the later classes decrease by one.
        """
        raws = [raw for raw in range(len(names)) if raw != ignore_index]
        train_ids = {raw: train_id for train_id, raw in enumerate(raws)}
        return cls.of(train_ids, ignored=(ignore_index,)), [names[raw] for raw in raws]

    def apply(self, mask: NDArray[np.uint8] | NDArray[np.uint16]) -> NDArray[np.uint8]:
        """Return ``mask`` (any shape) in training ids; unknown values become ``IGNORE``."""
        table = np.full(np.iinfo(mask.dtype).max + 1, IGNORE, dtype=np.uint8)
        for raw, train_id in enumerate(self.table):
            if train_id != UNKNOWN:
                table[raw] = train_id
        return table[mask]

    def unknown(self, counts: Mapping[int, int]) -> dict[int, int]:
        """Return those of ``{raw value: pixels}`` that the layout does not define, by value."""
        return {
            raw: pixels
            for raw, pixels in sorted(counts.items())
            if raw >= len(self.table) or self.table[raw] == UNKNOWN
        }

    def digest_text(self) -> str:
        """Return a text that is unique for each map."""
        return json.dumps([self.table, self.colors])

    def known(self) -> list[int]:
        """Return the raw values of classes and ignored pixels, ascending."""
        return [raw for raw, train_id in enumerate(self.table) if train_id != UNKNOWN]
