from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainables.io.object_store import (
    ObjectStore,
    StoreError,
    address_fault,
    is_address,
    without_secrets,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("address", "fault"),
    [
        ("s3://bucket/folder", None),
        ("s3://bucket?region=eu-west-1&endpoint_override=localhost:9000&scheme=http", None),
        ("gs://bucket/a", None),
        ("abfs://container@account.dfs.core.windows.net/a", None),
        ("file:///mnt/a", None),
        ("/mnt/a", "must be an address"),
        ("hdfs://host/a", "must begin with one of s3://"),
        ("s3:///a", "must name a bucket"),
        ("file://", "must name a folder"),
        ("s3://key:hush@bucket/a", "no credentials"),
        ("s3://bucket/a?secret_key=hush", "no credentials"),
        ("abfs://c:hush@account.dfs.core.windows.net/a", "no credentials"),
    ],
)
def test_an_address_names_a_folder_and_no_secret(address: str, fault: str | None) -> None:
    message = address_fault(address)
    if fault is None:
        assert message is None
        return
    assert message is not None
    assert fault in message
    assert "hush" not in message
    with pytest.raises(StoreError) as error:
        ObjectStore(address)
    assert "hush" not in str(error.value)


def test_paths_are_no_addresses_and_secrets_are_left_out() -> None:
    assert not any(map(is_address, ("/a/b", "a", "C:/a", "~/a", "")))
    assert is_address("S3://a")
    assert without_secrets("s3://key:hush@bucket/a?token=hush") == "s3://bucket/a"


def test_files_are_written_listed_read_and_removed(store_address: str, tmp_path: Path) -> None:
    store = ObjectStore(store_address)
    assert store.files() == {}
    assert store.folders("") == []
    source = tmp_path / "source"
    source.write_bytes(b"x" * 3_000_000)
    store.put("a/b/large.bin", source)
    store.write("a/small.txt", b"one")
    store.write("a/small.txt", b"other")
    store.write("a/b/empty", b"")
    assert {name: file.size for name, file in store.files("a").items()} == {
        "b/empty": 0,
        "b/large.bin": 3_000_000,
        "small.txt": 5,
    }
    assert store.folders("a") == ["b"]
    assert store.has("a/small.txt")
    assert not store.has("a/b")
    assert store.read("a/small.txt") == b"other"
    assert store.read("a/none") is None
    store.get("a/b/large.bin", tmp_path / "deep" / "target")
    assert (tmp_path / "deep" / "target").read_bytes() == source.read_bytes()
    store.delete("a/b/large.bin")
    assert set(store.files()) == {"a/small.txt", "a/b/empty"}


def test_missing_files_raise(store_address: str, tmp_path: Path) -> None:
    store = ObjectStore(store_address)
    with pytest.raises(StoreError):
        store.get("none", tmp_path / "target")
    assert not (tmp_path / "target").exists()
    with pytest.raises(FileNotFoundError):
        store.put("a", tmp_path / "none")


def test_missing_buckets_and_wrong_keys_are_reported(
    s3_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3_environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(StoreError, match="no such bucket; create it"):
        ObjectStore("s3://missing/a").write("b", b"")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another-one")
    with pytest.raises(StoreError, match=r"access denied.*AWS_ACCESS_KEY_ID") as error:
        ObjectStore("s3://tests/a").files()
    again = pickle.loads(pickle.dumps(error.value))  # noqa: S301 - our own bytes
    assert str(again) == str(error.value)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(StoreError, match="access denied"):
        ObjectStore("s3://tests/a").files()


def test_an_unwritable_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file://"):
        ObjectStore(f"file://{tmp_path}/file").write("a", b"")


@pytest.mark.parametrize(
    "address",
    ["file:///mnt/a#b", "file:///mnt/a?b", "s3://bucket/a#b", "s3://bucket/a\nb", "s3://[x"],
)
def test_an_ambiguous_address_raises(address: str) -> None:
    assert address_fault(address)
    with pytest.raises(StoreError):
        ObjectStore(address)


@given(st.text())
def test_any_text_is_an_address_or_a_fault(text: str) -> None:
    for address in (f"x{text}", f"s3://{text}", f"file://{text}"):
        fault = address_fault(address)
        assert fault is None or fault
        assert without_secrets(address)
