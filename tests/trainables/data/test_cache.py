from __future__ import annotations

import multiprocessing
import os
import pickle
import resource
import shutil
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from search_spaces.resolution import Resolution
from trainables.data.cache import CachedSplit, CacheError, cached_split
from trainables.data.decode import read_mask
from trainables.data.faults import DataError
from trainables.data.layouts.registry import open_layout

if TYPE_CHECKING:
    from pathlib import Path

    from trainables.config import DataConfig
    from trainables.data.layouts.base import Layout

FULL, HALF = Resolution(12, 16), Resolution(6, 8)


@pytest.fixture
def layout(folder_config: DataConfig) -> Layout:
    return open_layout(folder_config)


def test_the_cache_holds_the_pixels_of_the_files(layout: Layout, tmp_path: Path) -> None:
    split = cached_split(layout, "train", FULL, tmp_path)
    images, masks = split.images(), split.masks()
    assert isinstance(images, np.memmap)
    assert not images.flags.writeable
    assert (images.shape, masks.shape) == ((3, 12, 16, 3), (3, 12, 16))
    for sample, image, mask in zip(layout.train, images, masks, strict=True):
        with Image.open(sample.image) as decoded:
            assert (image == np.asarray(decoded)).all()
        assert (mask == layout.labels.apply(read_mask(sample.mask))).all()


def test_images_are_averaged_and_masks_are_not(layout: Layout, tmp_path: Path) -> None:
    split = cached_split(layout, "val", HALF, tmp_path)
    assert split.images().shape == (2, 6, 8, 3)
    assert set(np.unique(split.masks())) <= {0, 1, 2}
    with Image.open(layout.val[0].image) as image:
        whole = np.asarray(image, dtype=float)
    assert split.images()[0].mean() == pytest.approx(whole.mean(), abs=3)
    assert split.images()[0].std() < 0.8 * whole.std()


def test_masks_may_have_another_resolution(layout: Layout, tmp_path: Path) -> None:
    split = cached_split(layout, "val", HALF, tmp_path, mask_resolution=FULL)
    assert split.masks().shape == (2, 12, 16)
    assert split != cached_split(layout, "val", HALF, tmp_path)


def test_a_second_call_does_not_build(layout: Layout, tmp_path: Path) -> None:
    built: list[int] = []
    for _ in range(2):
        split = cached_split(
            layout, "train", HALF, tmp_path, progress=lambda done, _: built.append(done)
        )
    assert built == [1, 2, 3]
    assert cached_split(layout, "train", FULL, tmp_path) != split


def test_a_changed_file_or_label_map_builds_again(
    layout: Layout, folder_config: DataConfig, tmp_path: Path
) -> None:
    before = cached_split(layout, "train", HALF, tmp_path)
    names = ("tree", "road", "sky")
    renamed = open_layout(replace(folder_config, class_names=names))
    assert cached_split(renamed, "train", HALF, tmp_path) == before
    ignoring = open_layout(replace(folder_config, ignore_index=2))
    assert cached_split(ignoring, "train", HALF, tmp_path) != before
    shutil.copy(layout.train[1].image, layout.train[0].image)
    assert cached_split(layout, "train", HALF, tmp_path) != before


def test_concurrent_threads_build_once(layout: Layout, tmp_path: Path) -> None:
    built: list[int] = []

    def build(_: int) -> CachedSplit:
        return cached_split(
            layout, "train", FULL, tmp_path, progress=lambda done, _: built.append(done)
        )

    with ThreadPoolExecutor(8) as pool:
        splits = set(pool.map(build, range(8)))
    assert len(splits) == 1
    assert built == [1, 2, 3]


def test_concurrent_processes_share_one_cache(layout: Layout, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        splits = set(pool.map(partial(cached_split, layout, "train", FULL), [tmp_path] * 2))
    assert len(splits) == 1
    assert splits.pop().images().shape == (3, 12, 16, 3)
    folders = [path for path in (tmp_path / "decoded").iterdir() if path.is_dir()]
    assert len(folders) == 1


def test_drafts_of_killed_builders_are_removed(layout: Layout, tmp_path: Path) -> None:
    split = cached_split(layout, "train", FULL, tmp_path)
    shutil.rmtree(split.folder)
    leftover = split.folder.with_name(f"{split.folder.name}.partial-abc")
    leftover.mkdir()
    (leftover / "images.npy").write_bytes(b"half")
    cached_split(layout, "train", FULL, tmp_path)
    assert not leftover.exists()


@pytest.mark.parametrize("name", ["images.npy", "masks.npy", "meta.json"])
def test_a_truncated_cache_is_built_again(layout: Layout, tmp_path: Path, name: str) -> None:
    split = cached_split(layout, "train", FULL, tmp_path)
    before = split.images().copy()
    path = split.folder / name
    os.truncate(path, path.stat().st_size // 2)
    assert (cached_split(layout, "train", FULL, tmp_path).images() == before).all()


def test_too_little_space_is_reported_before_writing(layout: Layout, tmp_path: Path) -> None:
    with pytest.raises(CacheError, match="not enough space") as caught:
        cached_split(layout, "train", FULL, tmp_path, free_bytes=lambda _: 100)
    assert caught.value.free == 100
    assert caught.value.needed >= 3 * 12 * 16 * 4
    assert "100 B free" in str(caught.value)
    assert not [path for path in (tmp_path / "decoded").iterdir() if path.is_dir()]


def test_a_disk_that_fills_while_writing_is_reported(layout: Layout, tmp_path: Path) -> None:
    big = Resolution(200, 200)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(CacheError, match="the space ran out"):
            cached_split(layout, "train", big, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not [path for path in (tmp_path / "decoded").iterdir() if path.is_dir()]
    assert cached_split(layout, "train", big, tmp_path).images().shape == (3, 200, 200, 3)


def test_a_folder_that_cannot_be_created_is_reported(layout: Layout, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CacheError, match=r"cannot be written to .*set another cache folder"):
        cached_split(layout, "train", FULL, tmp_path / "file")


def test_a_broken_file_is_reported_and_leaves_no_cache(layout: Layout, tmp_path: Path) -> None:
    layout.train[1].image.write_bytes(b"")
    with pytest.raises(DataError, match=r"train1\.jpg: is empty"):
        cached_split(layout, "train", FULL, tmp_path)
    assert not [path for path in (tmp_path / "decoded").iterdir() if path.is_dir()]


def test_a_mask_that_does_not_fit_is_refused(layout: Layout, tmp_path: Path) -> None:
    Image.new("L", (4, 4)).save(layout.train[0].mask)
    with pytest.raises(DataError, match="same width and height"):
        cached_split(layout, "train", FULL, tmp_path)


def test_the_cache_error_survives_pickling() -> None:
    error = CacheError("cache", "the space ran out", 5_000_000, None)
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert str(copy) == str(error)
    assert (copy.folder, copy.reason, copy.needed, copy.free) == (
        "cache",
        "the space ran out",
        5_000_000,
        None,
    )
