"""Data sets at addresses of object stores, copied into the cache folder."""

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
    """Return the settings with an address bound to the files that lie there now.

    Wherever they are opened, it is those files or an error; a folder stays as it is.

    Raises:
        DataError: the store does not tell what it has, or there is nothing.
    """
    if config.root is None or not is_address(config.root) or _PIN.search(config.root):
        return config
    return replace(config, root=f"{config.root}#{_digest(_listed(config.root))}")


def local_copy(config: DataConfig, cache_dir: str | Path | None) -> DataConfig:
    """Return the settings with the folder of this machine that holds the data set's files.

    Where ``config.root`` is an address, they are copied below ``cache_dir`` first, once for all
    processes that share it, into a folder named by the digest of their names, sizes and times.

    Raises:
        DataError: the files cannot be had, or are not those that the address was bound to.
    """
    if config.root is None or not is_address(config.root):
        return config
    if cache_dir is None:
        what = "is an address, and there is no cache folder to copy its files to"
        raise DataError([setting_fault("root", what, "give a folder")])
    found = _PIN.search(config.root)
    wanted = found.group(1) if found else None
    address = _PIN.sub("", config.root)
    place = Path(cache_dir) / FOLDER
    if wanted is None or not (place / wanted).is_dir():
        files = _listed(address)
        digest = _digest(files)
        if wanted not in {None, digest}:
            what = f"the files at {address} are not those that the sweep began with"
            remedy = "leave a data set alone while it is trained on; resume the sweep"
            raise DataError([setting_fault("root", what, remedy)])
        wanted = digest
        _fetch(address, files, place / wanted)
    return replace(config, root=str(place / wanted))


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
        if folder.is_dir():  # another process was faster
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
        f"{name!r} {each.size} {each.changed_ns}" for name, each in sorted(files.items())
    )


def _fault(what: str) -> Fault:
    return setting_fault("root", what, "give the folder or the address that the layout lies in")
