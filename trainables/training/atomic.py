"""Files that are either whole or as they were."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path


def write_atomically(path: Path, data: bytes) -> None:
    """Make ``path`` hold ``data`` or leave it as it was, whenever the process or machine dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=_draft_prefix(path.name))
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    _settle(path.parent)


def remove_drafts(path: Path) -> None:
    """Remove what processes that were killed while they wrote ``path`` left beside it."""
    for draft in path.parent.glob(f"{_draft_prefix(path.name)}*"):
        draft.unlink(missing_ok=True)


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
