"""Files that are either whole or as they were."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from trainables.io.claim import changing

if TYPE_CHECKING:
    from collections.abc import Callable


def write_atomically(path: Path, data: bytes | Callable[[BinaryIO], object]) -> None:
    """Make ``path`` hold ``data`` or leave it as it was, whenever the process or machine dies.

    Args:
        path: The file.
        data: What it is to hold, or what writes that, so that it need not be in memory as a whole.

    Raises:
        ClaimLostError: the folder is claimed by somebody else; nothing changed.
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
    _settle(path.parent)


def move(path: Path, target: Path) -> None:
    """Give the file at ``path`` the name ``target``, whose own file is lost.

    Raises:
        ClaimLostError: the folder is claimed by somebody else; nothing changed.
    """
    with changing(target):
        path.replace(target)


def remove(path: Path) -> None:
    """Remove the file at ``path`` if there is one.

    Raises:
        ClaimLostError: the folder is claimed by somebody else; nothing changed.
    """
    with changing(path):
        path.unlink(missing_ok=True)


def remove_drafts(path: Path) -> None:
    """Remove what processes that were killed while they wrote ``path`` left beside it."""
    for draft in path.parent.glob(f"{_draft_prefix(path.name)}*"):
        remove(draft)


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file as hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _draft_prefix(name: str) -> str:
    return f".{name}."


def _settle(folder: Path) -> None:
    """Have the folder's entries on the disk, so that a machine that dies forgets no new name."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
