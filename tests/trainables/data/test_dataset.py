from __future__ import annotations

import pickle
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from search_spaces.resolution import Resolution
from trainables.data.dataset import SegmentationDataset, build_datasets
from trainables.data.transforms import network_inputs
from trainables.training.batches import OrderedBatches, make_loader

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
    batch = train.batch([1, 0])
    assert (batch["image"].shape, batch["image"].dtype) == ((2, 6, 8, 3), torch.uint8)
    assert (batch["mask"].shape, batch["mask"].dtype) == ((2, 6, 8), torch.uint8)
    assert (batch["image"][0].numpy() == train.picture(1)).all()
    assert set(batch) == {"image", "mask", "view", "colour"}
    assert train.batch([]) == {}


def test_validation_samples_are_the_pictures_themselves(
    folder_config: DataConfig, tmp_path: Path
) -> None:
    _, val = build_datasets(folder_config, HALF, tmp_path, augmentation=1.0)
    first = val.batch([0])
    assert (first["image"][0].numpy() == val.picture(0)).all()
    val.set_epoch(3)
    assert set(val.batch([0])) == {"image", "mask"}


def test_validation_masks_may_have_another_resolution(
    folder_config: DataConfig, tmp_path: Path
) -> None:
    full = Resolution(12, 16)
    train, val = build_datasets(folder_config, HALF, tmp_path, mask_resolution=full)
    assert train.batch([0])["mask"].shape == (1, 6, 8)
    assert val.batch([0])["mask"].shape == (1, 12, 16)
    assert val.batch([0])["image"].shape == (1, 6, 8, 3)


def test_the_number_of_images_can_be_limited(folder_config: DataConfig, tmp_path: Path) -> None:
    config = replace(folder_config, max_train_images=2, max_val_images=1)
    train, val = build_datasets(config, HALF, tmp_path)
    assert (len(train), len(val)) == (2, 1)


def test_epochs_and_seeds_differ_and_repeat(
    train: SegmentationDataset, folder_config: DataConfig, tmp_path: Path
) -> None:
    first = train.batch([0])["view"]
    train.set_epoch(1)
    assert not torch.equal(train.batch([0])["view"], first)
    train.set_epoch(0)
    assert torch.equal(train.batch([0])["view"], first)
    other, _ = build_datasets(folder_config, HALF, tmp_path / "cache", augmentation=1.0, seed=5)
    assert not torch.equal(other.batch([0])["view"], first)


def test_transforms_depend_on_the_index_and_not_on_the_batch(train: SegmentationDataset) -> None:
    whole = network_inputs(train.batch([0, 1, 2]))
    for batch in ([2], [1, 0], [0, 2, 1]):
        inputs = network_inputs(train.batch(batch))
        for name, values in inputs.items():
            assert torch.equal(values, whole[name][batch])
    assert not torch.equal(train.batch([0])["view"], train.batch([1])["view"])


def test_loader_processes_do_not_change_samples_and_follow_epochs(
    train: SegmentationDataset,
) -> None:
    cpu = torch.device("cpu")
    loader = make_loader(train, OrderedBatches(len(train)), workers=2, device=cpu)
    for epoch in (0, 1, 2):
        train.set_epoch(epoch)
        (loaded,) = loader
        for name, values in train.batch([0, 1, 2]).items():
            assert torch.equal(loaded[name], values)


def test_soft_labels_come_with_their_image(folder_config: DataConfig, tmp_path: Path) -> None:
    soft = np.arange(3 * 3 * 2 * 2, dtype=np.float16).reshape(3, 3, 2, 2)
    train, _ = build_datasets(folder_config, HALF, tmp_path, soft_labels=soft)
    assert (train.batch([2, 0])["soft"].numpy() == soft[[2, 0]]).all()


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
    for name, values in train.batch([2, 1]).items():
        assert torch.equal(copy.batch([2, 1])[name], values)


def test_batches_from_a_devices_memory_are_those_from_the_files(
    folder_config: DataConfig, tmp_path: Path
) -> None:
    np.save(tmp_path / "soft.npy", np.random.default_rng(0).random((3, 3, 4, 4), np.float32))
    soft = np.load(tmp_path / "soft.npy", mmap_mode="r")
    train, _ = build_datasets(folder_config, HALF, tmp_path, augmentation=0.5, soft_labels=soft)
    read = train.batch([2, 0])
    before = train.is_resident
    train.keep_on(torch.device("cpu"), train.bytes)
    assert (before, train.is_resident) == (False, True)
    kept = train.batch([2, 0])
    assert list(kept) == list(read)
    assert all(torch.equal(kept[name], values) for name, values in read.items())
    assert not pickle.loads(pickle.dumps(train)).is_resident  # noqa: S301 - our own bytes
