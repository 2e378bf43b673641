"""Data sets with the labels of another list of classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.utils.data import Dataset

from trainables.data.masks.labels import IGNORE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from trainables.data.dataset import SegmentationDataset
    from trainables.data.transforms import Batch


def label_table(names: Sequence[str], wanted: Sequence[str]) -> Tensor:
    """Return the label in ``wanted`` of each label of ``names``, uint8 [256].

    Classes that are not in ``wanted``, and labels that are no class, map to the ignored label.
    """
    table = torch.full((256,), IGNORE, dtype=torch.uint8)
    for label, name in enumerate(names):
        if name in wanted:
            table[label] = wanted.index(name)
    return table


class Relabelled(Dataset["Batch"]):
    """The concatenated samples of several data sets, in one list of classes."""

    def __init__(self, class_names: Sequence[str], *parts: Part) -> None:
        self.class_names = tuple(class_names)
        self._parts = parts
        self._samples = [(part, index) for part in parts for index in part.indices]

    def set_epoch(self, epoch: int) -> None:
        """Select the random transforms of ``epoch``."""
        for part in self._parts:
            part.dataset.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self._samples)

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        """Return the decoded samples at ``indices``, their masks in this data set's classes."""
        samples: list[Batch] = []
        for part, position in (self._samples[index] for index in indices):
            sample = part.dataset.batch([position])
            samples.append(sample | {"mask": part.table[sample["mask"].long()]})
        names = samples[0] if samples else {}
        return {name: torch.cat([sample[name] for sample in samples]) for name in names}


class Part:
    """Samples of a data set, with the mapping of their labels."""

    def __init__(
        self,
        dataset: SegmentationDataset,
        class_names: Sequence[str],
        indices: Sequence[int] | None = None,
    ) -> None:
        """Select ``indices`` of ``dataset`` (None: all), relabelled by name to ``class_names``."""
        self.dataset = dataset
        self.table = label_table(dataset.class_names, class_names)
        self.indices = tuple(range(len(dataset)) if indices is None else indices)
