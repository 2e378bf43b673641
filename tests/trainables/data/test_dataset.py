from __future__ import annotations

import pickle
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from search_spaces.resolution import Resolution
from trainables.data.dataset import SegmentationDataset, build_datasets, sample_seed
from trainables.data.transforms import to_picture

if TYPE_CHECKING:
    from pathlib import Path

    from trainables.config import DataConfig

HALF = Resolution(6, 8)


@pytest.fixture
def train(folder_config: DataConfig, tmp_path: Path) -> SegmentationDataset:
    return build_datasets(folder_config, HALF, tmp_path / "cache", augmentation=1.0, seed=4)[0]


def test_samples_have_types_and_shapes_for_training(train: SegmentationDataset) -> None:
    assert len(train) == 3
    assert (train.num_classes, train.class_names) == (3, ("road", "tree", "sky"))
    sample = train[1]
    assert sample["image"].shape == (3, 6, 8)
    assert sample["mask"].dtype == torch.int64
    assert sample["index"] == 1
    assert "soft" not in sample
    assert [train[index]["index"] for index in range(len(train))] == [0, 1, 2]


def test_validation_samples_are_the_pictures_themselves(
    folder_config: DataConfig, tmp_path: Path
) -> None:
    _, val = build_datasets(folder_config, HALF, tmp_path, augmentation=1.0)
    picture = to_picture(val[0]["image"]).permute(1, 2, 0).numpy()
    assert (picture == val.picture(0)).all()
    val.set_epoch(3)
    assert torch.equal(val[0]["image"], val[0]["image"])


def test_validation_masks_may_have_another_resolution(
    folder_config: DataConfig, tmp_path: Path
) -> None:
    full = Resolution(12, 16)
    train, val = build_datasets(folder_config, HALF, tmp_path, mask_resolution=full)
    assert train[0]["mask"].shape == (6, 8)
    assert val[0]["mask"].shape == (12, 16)
    assert val[0]["image"].shape == (3, 6, 8)


def test_the_number_of_images_can_be_limited(folder_config: DataConfig, tmp_path: Path) -> None:
    config = replace(folder_config, max_train_images=2, max_val_images=1)
    train, val = build_datasets(config, HALF, tmp_path)
    assert (len(train), len(val)) == (2, 1)


def test_epochs_and_seeds_differ_and_repeat(
    train: SegmentationDataset, folder_config: DataConfig, tmp_path: Path
) -> None:
    first = train[0]["image"]
    train.set_epoch(1)
    assert not torch.equal(train[0]["image"], first)
    train.set_epoch(0)
    assert torch.equal(train[0]["image"], first)
    other, _ = build_datasets(folder_config, HALF, tmp_path / "cache", augmentation=1.0, seed=5)
    assert not torch.equal(other[0]["image"], first)


def test_loader_processes_do_not_change_samples_and_follow_epochs(
    train: SegmentationDataset,
) -> None:
    loader = DataLoader(train, batch_size=2, num_workers=2, persistent_workers=True)
    for epoch in (0, 1, 2):
        train.set_epoch(epoch)
        loaded = torch.cat([batch["image"] for batch in loader])
        expected = torch.stack([train[index]["image"] for index in range(3)])
        assert torch.equal(loaded, expected)


def test_soft_labels_come_with_their_image(folder_config: DataConfig, tmp_path: Path) -> None:
    soft = np.arange(3 * 3 * 2 * 2, dtype=np.float16).reshape(3, 3, 2, 2)
    train, _ = build_datasets(folder_config, HALF, tmp_path, soft_labels=soft)
    for index in range(3):
        assert (train[index]["soft"].numpy() == soft[index]).all()


@pytest.mark.parametrize("shape", [(2, 3, 2, 2), (3, 4, 2, 2), (3, 3, 2)])
def test_soft_labels_of_another_data_set_are_refused(
    folder_config: DataConfig, tmp_path: Path, shape: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match="do not fit 3 images of 3 classes"):
        build_datasets(folder_config, HALF, tmp_path, soft_labels=np.zeros(shape, np.float16))


def test_a_pickled_data_set_is_small_and_equal(folder_config: DataConfig, tmp_path: Path) -> None:
    np.save(tmp_path / "soft.npy", np.random.default_rng(0).random((3, 3, 64, 64), np.float32))
    soft = np.load(tmp_path / "soft.npy", mmap_mode="r")
    train, _ = build_datasets(
        folder_config, Resolution(120, 160), tmp_path, augmentation=0.5, soft_labels=soft
    )
    pickled = pickle.dumps(train)
    assert len(pickled) < 6_000
    copy = pickle.loads(pickled)  # noqa: S301 - our own bytes
    assert torch.equal(copy[2]["image"], train[2]["image"])
    assert torch.equal(copy[2]["soft"], train[2]["soft"])


@pytest.mark.parametrize("index", [-1, 3])
def test_an_index_outside_is_refused(train: SegmentationDataset, index: int) -> None:
    with pytest.raises(IndexError, match="outside the 3 samples"):
        train[index]


@settings(deadline=None, max_examples=50)
@given(
    st.tuples(st.integers(0, 2**40), st.integers(0, 10**4), st.integers(0, 10**6)),
    st.tuples(st.integers(0, 2**40), st.integers(0, 10**4), st.integers(0, 10**6)),
)
def test_different_samples_have_different_seeds(
    first: tuple[int, int, int], second: tuple[int, int, int]
) -> None:
    assert 0 <= sample_seed(*first) < 2**63
    assert (sample_seed(*first) == sample_seed(*second)) == (first == second)
