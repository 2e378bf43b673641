"""The file that a training resumes from, written atomically and sealed with its digest."""

from __future__ import annotations

import hashlib
import io
import logging
from typing import IO, TYPE_CHECKING, Any, BinaryIO, cast

import torch

from trainables.io.atomic import move, remove, remove_drafts, write_atomically
from trainables.training.checkpoint import BEST_METADATA, BEST_WEIGHTS, PREVIOUS_BEST

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from trainables.training.checkpoint import Soundness

LAST = "last.pt"
"""The state to resume from, with its SHA-256 at the end."""
_PREVIOUS = "last.previous.pt"
_STATES = (LAST, _PREVIOUS, PREVIOUS_BEST)
_LOG = logging.getLogger(__name__)
_DIGEST_BYTES = hashlib.sha256().digest_size
_CHUNK_BYTES = 2**20


def save_last(folder: Path, state: Mapping[str, Any]) -> None:
    """Write the state to resume from, and keep the previous intact one.

    Each file ends with its own digest, by which a file that a crash left incomplete is detected.
    """
    if (folder / LAST).exists() and _is_sealed(folder / LAST):
        move(folder / LAST, folder / _PREVIOUS)

    def write(file: BinaryIO) -> None:
        sealing = _Sealing(file)
        torch.save(dict(state), cast("IO[bytes]", sealing))
        file.write(sealing.digest())

    write_atomically(folder / LAST, write)


def load_last(folder: Path) -> dict[str, Any] | None:
    """Return the newest intact state in ``folder``; None where there is none.

    A torn or altered file is skipped in favour of the previous one. Only tensors and plain values
    are unpickled. ``torch.load`` ignores the digest after the archive.
    """
    for name in (LAST, _PREVIOUS):
        path = folder / name
        if _is_sealed(path):
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            return state
    return None


def remove_last(folder: Path) -> None:
    """Remove the state to resume from, which an ended trial no longer needs."""
    for name in _STATES:
        remove(folder / name)
    for name in (LAST, BEST_WEIGHTS, BEST_METADATA):
        remove_drafts(folder / name)


def last_soundness(folder: Path) -> Soundness:
    """Return whether ``folder`` holds an intact state to resume from; one of two is enough."""
    present = [folder / name for name in (LAST, _PREVIOUS) if (folder / name).is_file()]
    if not present:
        return "absent"
    return "sound" if any(map(_is_sealed, present)) else "torn"


class _Sealing(io.RawIOBase):
    """Writes to a file and computes the digest of what is written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:  # noqa: ANN401 - any buffer
        self._hash.update(data)
        return self._file.write(data)

    def digest(self) -> bytes:
        """Return the SHA-256 of all data written."""
        return self._hash.digest()


def _is_sealed(path: Path) -> bool:
    """Whether a file exists and ends with the digest of the bytes before it."""
    try:
        with path.open("rb") as file:
            remaining = max(0, path.stat().st_size - _DIGEST_BYTES)
            digest = hashlib.sha256()
            while remaining and (data := file.read(min(remaining, _CHUNK_BYTES))):
                digest.update(data)
                remaining -= len(data)
            sealed = file.read() == digest.digest()
    except OSError:
        return False
    if not sealed:
        _LOG.warning("%s is torn or altered and is ignored", path)
    return sealed
