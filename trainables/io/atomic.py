"""Atomic replacement of files and folders, under a claim where there is one."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from trainables.io.claim import changing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def write_atomically(path: Path, data: bytes | Callable[[BinaryIO], object]) -> None:
    """Replace the content of ``path`` by ``data``, completely or not at all if the machine fails.

    Args:
        path: The file; its folder is created.
        data: The content, or a function that writes it, for content larger than memory.

    Raises:
        ClaimLostError: another process claimed the folder; nothing changed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with changing(path):
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=_draft_prefix(path.name))
    try:
        with os.fdopen(handle, "wb") as file:
            if isinstance(data, bytes):
                file.write(data)
            else:
                data(file)
            file.flush()
            os.fsync(file.fileno())
        move(Path(name), path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def move(path: Path, target: Path) -> None:
    """Rename ``path`` to ``target``, replacing it.

    Raises:
        ClaimLostError: another process claimed the folder; nothing changed.
    """
    with changing(target):
        path.replace(target)


def remove(path: Path) -> None:
    """Remove the file at ``path`` if there is one.

    Raises:
        ClaimLostError: another process claimed the folder; nothing changed.
    """
    with changing(path):
        path.unlink(missing_ok=True)


def remove_drafts(path: Path) -> None:
    """Remove the drafts of ``path`` that killed processes left."""
    for draft in path.parent.glob(f"{_draft_prefix(path.name)}*"):
        remove(draft)


@contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty draft, which replaces ``folder`` if the body succeeds and is removed if not.

    Drafts that killed processes left are removed too, so callers hold a lock on ``folder``.
    """
    prefix = f"{folder.name}.partial-"
    for leftover in folder.parent.glob(f"{escape(prefix)}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    draft = Path(tempfile.mkdtemp(prefix=prefix, dir=folder.parent))
    try:
        yield draft
        draft.chmod(0o755)  # mkdtemp makes folders that only their owner can read
        shutil.rmtree(folder, ignore_errors=True)
        draft.replace(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file as hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _draft_prefix(name: str) -> str:
    return f".{name}."


def _sync_folder(folder: Path) -> None:
    """Write the folder's entries to the disk: without this, a rename can be lost in a crash."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
