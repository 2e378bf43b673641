"""Batches that hold the same images for any number of ranks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch.utils.data import DataLoader, Sampler

from trainables.training.seeds import derive_seed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch.utils.data import Dataset

    from trainables.data.transforms import Batch

EVAL_BATCH = 16
"""Images per validation batch of one rank; larger ones are no faster and take memory."""


class ShuffledBatches(Sampler[list[int]]):
    """One rank's share of each batch of a shuffled epoch.

    The order of an epoch depends on seed and epoch alone. Every batch has ``batch_size`` images
    over all ranks. An incomplete last batch is dropped, with other images in each epoch. A data set
    smaller than ``batch_size`` is one batch.
    """

    def __init__(
        self, count: int, batch_size: int, *, seed: int, rank: int = 0, world_size: int = 1
    ) -> None:
        """Divide ``count`` >= 1 images into batches of ``batch_size``.

        Raises:
            ValueError: a batch has fewer images than there are ranks.
        """
        self.batch_size = min(batch_size, count)
        if self.batch_size < world_size:
            raise ValueError(
                f"a batch of {self.batch_size} images (batch_size {batch_size}, {count} training "
                f"images) cannot be shared by {world_size} train workers; use fewer workers or "
                "larger batches"
            )
        self._count, self._seed = count, seed
        self._rank, self._world_size = rank, world_size
        self._epoch = 0
        self._skipped = 0

    def set_epoch(self, epoch: int, *, skipped: int = 0) -> None:
        """Select the order of ``epoch`` without its first ``skipped`` batches."""
        self._epoch, self._skipped = epoch, skipped

    def __iter__(self) -> Iterator[list[int]]:
        generator = torch.Generator().manual_seed(derive_seed("order", self._seed, self._epoch))
        order = torch.randperm(self._count, generator=generator).tolist()
        first, end = self._skipped * self.batch_size, len(self) * self.batch_size
        for start in range(first, end, self.batch_size):
            yield order[start : start + self.batch_size][self._rank :: self._world_size]

    def __len__(self) -> int:
        return self._count // self.batch_size


class OrderedBatches(Sampler[list[int]]):
    """One rank's share of a data set in order, every image on one rank only.

    All ranks have the same number of batches, as each has a collective; the last may be empty.
    """

    def __init__(self, count: int, *, rank: int = 0, world_size: int = 1) -> None:
        """Divide ``count`` images among the ranks."""
        self._mine = range(rank, count, world_size)
        self._batches = math.ceil(math.ceil(count / world_size) / EVAL_BATCH)

    def __iter__(self) -> Iterator[list[int]]:
        for start in range(0, len(self) * EVAL_BATCH, EVAL_BATCH):
            yield list(self._mine[start : start + EVAL_BATCH])

    def __len__(self) -> int:
        return self._batches


def make_loader(
    dataset: Dataset[Batch],
    batches: Sampler[list[int]],
    *,
    workers: int,
    device: torch.device,
    resident: bool = False,
) -> DataLoader[Batch]:
    """Return the loader of decoded ``batches``; an empty batch is an empty dict.

    Loader processes persist over epochs, since starting them can take longer than a small epoch. A
    ``resident`` data set returns batches that are on the device, so it needs none.
    """
    workers = 0 if resident else workers
    return DataLoader(
        dataset,
        batch_sampler=batches,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=device.type == "cuda" and not resident,
        collate_fn=_whole,  # type: ignore[arg-type]  # torch's types take a batch for a list
        generator=torch.Generator(),  # else the loader draws from the generator of dropout
    )


def split_batch(batch: Batch, parts: int) -> list[Batch]:
    """Return ``batch`` in ``parts`` of nearly equal size, at most one per image, in order."""
    size = len(batch["mask"])
    pieces = {name: values.tensor_split(min(parts, size)) for name, values in batch.items()}
    return [dict(zip(pieces, values, strict=True)) for values in zip(*pieces.values(), strict=True)]


def _whole(batch: Batch) -> Batch:
    """Return ``batch``: the data set's ``__getitems__`` returns whole batches."""
    return batch
