from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainables.training.batches import (
    EVAL_BATCH,
    OrderedBatches,
    ShuffledBatches,
    split_batch,
)

counts = st.integers(4, 60)
sizes = st.integers(4, 20)
worlds = st.integers(1, 4)


@given(counts, sizes, worlds, st.integers(0, 5))
def test_all_ranks_together_have_the_batches_of_one(
    count: int, size: int, world: int, epoch: int
) -> None:
    def shares(rank: int, world: int) -> list[list[int]]:
        batches = ShuffledBatches(count, size, seed=3, rank=rank, world_size=world)
        batches.set_epoch(epoch)
        return list(batches)

    together = [
        sorted(index for share in step for index in share)
        for step in zip(*(shares(rank, world) for rank in range(world)), strict=True)
    ]
    assert together == [sorted(batch) for batch in shares(0, 1)]


@given(counts, sizes)
def test_batches_are_full_and_hold_no_image_twice(count: int, size: int) -> None:
    batches = ShuffledBatches(count, size, seed=0)
    seen = [index for batch in batches for index in batch]
    assert len(set(seen)) == len(seen)
    assert {len(batch) for batch in batches} == {min(size, count)}
    assert len(list(batches)) == len(batches) == max(count // size, 1)


def test_orders_differ_between_epochs_and_are_reproducible() -> None:
    batches = ShuffledBatches(20, 5, seed=1)
    first = list(batches)
    batches.set_epoch(1)
    assert list(batches) != first
    batches.set_epoch(0)
    assert list(batches) == first


def test_a_batch_smaller_than_the_ranks_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be shared by 3 train workers"):
        ShuffledBatches(10, 2, seed=0, rank=0, world_size=3)


@given(st.integers(1, 80), worlds)
def test_every_rank_has_as_many_validation_batches_and_no_image_twice(
    count: int, world: int
) -> None:
    shares = [list(OrderedBatches(count, rank=rank, world_size=world)) for rank in range(world)]
    assert len({len(share) for share in shares}) == 1
    seen = [index for share in shares for batch in share for index in batch]
    assert sorted(seen) == list(range(count))
    assert max(len(batch) for share in shares for batch in share) <= EVAL_BATCH


@given(st.integers(1, 9), st.integers(1, 12))
def test_parts_of_a_batch_put_together_are_the_batch(size: int, parts: int) -> None:
    batch = {"mask": torch.arange(size), "image": torch.arange(2 * size).view(size, 2)}
    pieces = split_batch(batch, parts)
    lengths = [len(piece["mask"]) for piece in pieces]
    assert len(pieces) == min(parts, size)
    assert max(lengths) - min(lengths) <= 1
    for name, values in batch.items():
        assert torch.equal(torch.cat([piece[name] for piece in pieces]), values)
