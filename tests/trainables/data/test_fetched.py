from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from trainables.data.checks.check import check_data
from trainables.data.faults import DataError
from trainables.data.fetched import local_copy, pinned
from trainables.io.object_store import ObjectStore

if TYPE_CHECKING:
    from trainables.config import DataConfig


def upload(config: DataConfig, address: str) -> DataConfig:
    assert config.root is not None
    store = ObjectStore(address)
    for path in Path(config.root).rglob("*"):
        if path.is_file():
            store.put(path.relative_to(config.root).as_posix(), path)
    return replace(config, root=address)


def test_a_data_set_has_one_digest_at_any_address(
    folder_config: DataConfig, store_address: str, tmp_path: Path
) -> None:
    remote = upload(folder_config, store_address)
    report = check_data(remote, cache_dir=tmp_path / "cache")
    assert report.ok
    assert report.digest == check_data(folder_config).digest
    assert report.root is not None
    assert Path(report.root).is_relative_to(tmp_path / "cache" / "fetched")


def test_a_data_set_is_fetched_once_until_it_changes(
    folder_config: DataConfig, store_address: str, tmp_path: Path
) -> None:
    remote = upload(folder_config, store_address)
    pinned_config = pinned(remote)
    assert pinned(pinned_config) == pinned_config
    first = local_copy(pinned_config, tmp_path / "cache")
    assert first.root is not None
    (Path(first.root) / "mark").write_text("")
    assert local_copy(remote, tmp_path / "cache") == first
    assert (Path(first.root) / "mark").exists()
    ObjectStore(store_address).write("more.txt", b"more")
    assert local_copy(remote, tmp_path / "cache") != first
    assert local_copy(pinned_config, tmp_path / "cache") == first  # what a sweep began with stays
    with pytest.raises(DataError, match="changed after the sweep began"):
        local_copy(pinned_config, tmp_path / "of another node")


def test_an_interrupted_fetch_is_completed(
    folder_config: DataConfig, store_address: str, tmp_path: Path
) -> None:
    remote = pinned(upload(folder_config, store_address))
    assert remote.root is not None
    draft = tmp_path / "fetched" / f"{remote.root.rpartition('#')[2]}.partial"
    draft.mkdir(parents=True)
    name = next(iter(ObjectStore(store_address).files()))
    (draft / name).parent.mkdir(parents=True, exist_ok=True)
    (draft / name).write_bytes(b"torn")
    local = local_copy(remote, tmp_path)
    assert check_data(local).digest == check_data(folder_config).digest


def test_store_faults_are_faults_of_the_setting(folder_config: DataConfig, tmp_path: Path) -> None:
    empty = replace(folder_config, root=f"file://{tmp_path}/nothing")
    with pytest.raises(DataError, match=r"data\.root: there is no file at"):
        pinned(empty)
    report = check_data(empty, cache_dir=tmp_path)
    assert [fault.path for fault in report.faults] == ["data.root"]
    with pytest.raises(DataError, match="no cache folder is set"):
        local_copy(empty, None)
    assert pinned(folder_config) == local_copy(folder_config, None) == folder_config
