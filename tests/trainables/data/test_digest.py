from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from trainables.config import DataConfig
from trainables.data.digest import (
    content_digest,
    dataset_digest,
    file_digest,
    split_digest,
)
from trainables.data.layouts.registry import open_layout

if TYPE_CHECKING:
    from pathlib import Path

    from trainables.data.layouts.base import Layout


def images(layout: Layout) -> list[Path]:
    return [sample.image for sample in layout.train]


def test_the_same_files_elsewhere_have_the_same_digest(
    folder_config: DataConfig, tmp_path: Path
) -> None:
    layout = open_layout(folder_config)
    shutil.copytree(layout.root, tmp_path / "copy")
    copy = DataConfig(
        format="folder", root=str(tmp_path / "copy"), class_names=folder_config.class_names
    )
    assert dataset_digest(open_layout(copy)) == dataset_digest(layout)


def test_content_name_and_number_of_files_change_the_digest(folder_config: DataConfig) -> None:
    layout = open_layout(folder_config)
    digests = {dataset_digest(layout)}
    first, second = images(layout)[:2]
    first.write_bytes(second.read_bytes())
    digests.add(dataset_digest(layout))
    first.rename(first.with_name("zzz.jpg"))
    digests.add(dataset_digest(open_layout(folder_config)))
    (first.parent / "zzz.jpg").unlink()
    digests.add(dataset_digest(open_layout(folder_config)))
    assert len(digests) == 4


def test_the_digest_covers_only_the_samples_that_are_used(folder_config: DataConfig) -> None:
    layout = open_layout(folder_config)
    assert split_digest(layout, layout.train[:2]) != split_digest(layout, layout.train)


def test_a_cached_digest_is_not_computed_again(folder_config: DataConfig, tmp_path: Path) -> None:
    layout = open_layout(folder_config)
    before = dataset_digest(layout, tmp_path / "cache")
    path = images(layout)[0]
    stat = path.stat()
    path.write_bytes(path.read_bytes()[::-1])
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert dataset_digest(layout, tmp_path / "cache") == before
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert dataset_digest(layout, tmp_path / "cache") != before


def test_a_broken_digest_cache_is_written_again(folder_config: DataConfig, tmp_path: Path) -> None:
    layout = open_layout(folder_config)
    before = dataset_digest(layout, tmp_path)
    memos = list((tmp_path / "digests").iterdir())
    assert len(memos) == 2
    for memo in memos:
        memo.write_text("{")
    assert dataset_digest(layout, tmp_path) == before


def test_an_unwritable_cache_folder_only_costs_time(
    folder_config: DataConfig, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    layout = open_layout(folder_config)
    assert dataset_digest(layout, tmp_path / "file") == dataset_digest(layout)


def test_file_and_content_digest_agree(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert file_digest(tmp_path / "a") == content_digest(b"abc")
    assert file_digest(tmp_path / "b") == "missing"
