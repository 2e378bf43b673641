"""Data sets in object stores, copied into the cache folder."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from trainables.data.digest import DIGEST_LENGTH, join_digests
from trainables.data.faults import DataError, Fault, setting_fault
from trainables.io.object_store import ObjectStore, StoreError, is_address

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trainables.config import DataConfig
    from trainables.io.object_store import StoredFile

FOLDER = "fetched"
_PIN = re.compile(rf"#([0-9a-f]{{{DIGEST_LENGTH}}})$")
_THREADS = 16
_PARTIAL = ".partial"


def pinned(config: DataConfig) -> DataConfig:
    """Return the settings with an address pinned to the current files by their digest.

    Every process that opens the pinned address reads these files, or raises DataError. A folder
    stays as it is.

    Raises:
        DataError: the store cannot be listed, or holds no file at the address.
    """
    if config.root is None or not is_address(config.root) or _PIN.search(config.root):
        return config
    return replace(config, root=f"{config.root}#{_digest(_listed(config.root))}")


def local_copy(config: DataConfig, cache_dir: str | Path | None) -> DataConfig:
    """Return the settings with a local folder as ``root``.

    Files at an address are copied below ``cache_dir`` first, once for all processes, into a folder
    named by the digest of their names, sizes and times.

    Raises:
        DataError: the files cannot be copied, or are not the pinned ones.
    """
    if config.root is None or not is_address(config.root):
        return config
    if cache_dir is None:
        what = "is an address, and no cache folder is set to copy its files to"
        raise DataError([setting_fault("root", what, "give a folder")])
    pin = _PIN.search(config.root)
    digest = pin.group(1) if pin else None
    address = _PIN.sub("", config.root)
    folder = Path(cache_dir) / FOLDER
    if digest is None or not (folder / digest).is_dir():
        files = _listed(address)
        if digest not in {None, _digest(files)}:
            what = f"the files at {address} changed after the sweep began"
            remedy = "do not change a data set during a sweep; resume the sweep"
            raise DataError([setting_fault("root", what, remedy)])
        digest = _digest(files)
        _fetch(address, files, folder / digest)
    return replace(config, root=str(folder / digest))


def _listed(address: str) -> Mapping[str, StoredFile]:
    try:
        files = ObjectStore(address).files()
    except StoreError as error:
        raise DataError([_fault(str(error))]) from error
    if not files:
        raise DataError([_fault(f"there is no file at {address}")])
    return files


def _fetch(address: str, files: Mapping[str, StoredFile], folder: Path) -> None:
    draft = folder.with_name(folder.name + _PARTIAL)
    draft.mkdir(parents=True, exist_ok=True)

    def copy(name: str) -> None:
        target = draft / name
        if not target.is_file() or target.stat().st_size != files[name].size:
            store.get(name, target)

    with FileLock(folder.with_suffix(".lock")):
        if folder.is_dir():  # copied meanwhile by another process
            return
        try:
            store = ObjectStore(address)
            with ThreadPoolExecutor(max_workers=_THREADS) as pool:
                list(pool.map(copy, files))
        except (StoreError, OSError) as error:
            raise DataError([_fault(str(error))]) from error
        draft.rename(folder)


def _digest(files: Mapping[str, StoredFile]) -> str:
    return join_digests(
        f"{name!r} {file.size} {file.changed_ns}" for name, file in sorted(files.items())
    )


def _fault(what: str) -> Fault:
    return setting_fault("root", what, "give the folder or the address of the data set")
