"""Data sets whose labels are those of another list of classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.utils.data import Dataset

from trainables.data.masks.labels import IGNORE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from trainables.data.dataset import Sample, SegmentationDataset


def label_table(names: Sequence[str], wanted: Sequence[str]) -> Tensor:
    """Return, for each label of ``names``, its label in ``wanted``; ignored where it has none.

    Indexed with 0 to 255, int64; labels that are no class are ignored.
    """
    table = torch.full((256,), IGNORE, dtype=torch.int64)
    for label, name in enumerate(names):
        if name in wanted:
            table[label] = wanted.index(name)
    return table


class Relabelled(Dataset["Sample"]):
    """The samples of some data sets one after the other, in one list of classes."""

    def __init__(self, class_names: Sequence[str], *parts: Part) -> None:
        self.class_names = tuple(class_names)
        self._parts = parts
        self._places = [(part, index) for part in parts for index in part.indices]

    def set_epoch(self, epoch: int) -> None:
        """Draw the transforms of ``epoch`` from now on."""
        for part in self._parts:
            part.dataset.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> Sample:
        """Return the sample at ``index``, its mask in this data set's classes."""
        part, place = self._places[index]
        sample = part.dataset[place]
        sample["mask"] = part.table[sample["mask"]]
        sample["index"] = index
        return sample


class Part:
    """Some samples of a data set, with the labels they are to have."""

    def __init__(
        self,
        dataset: SegmentationDataset,
        class_names: Sequence[str],
        indices: Sequence[int] | None = None,
    ) -> None:
        """Take ``indices`` of ``dataset`` (None: all), relabelled by name to ``class_names``."""
        self.dataset = dataset
        self.table = label_table(dataset.class_names, class_names)
        self.indices = tuple(range(len(dataset)) if indices is None else indices)
