"""The state that a training goes on from, either whole or not there."""

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
"""Everything that going on needs, with its SHA-256 at the end."""
_PREVIOUS = "last.previous.pt"
_STATES = (LAST, _PREVIOUS, PREVIOUS_BEST)
_LOG = logging.getLogger(__name__)
_DIGEST_BYTES = hashlib.sha256().digest_size
_CHUNK_BYTES = 2**20


def save_last(folder: Path, state: Mapping[str, Any]) -> None:
    """Write the state to go on from, keeping the sound one before it.

    Each file ends with its own digest, so that whatever a crash leaves can be recognised.
    """
    if (folder / LAST).exists() and _is_sealed(folder / LAST):
        move(folder / LAST, folder / _PREVIOUS)

    def write(file: BinaryIO) -> None:
        sealing = _Sealing(file)
        torch.save(dict(state), cast("IO[bytes]", sealing))
        file.write(sealing.digest())

    write_atomically(folder / LAST, write)


def load_last(folder: Path) -> dict[str, Any] | None:
    """Return the newest sound state in ``folder``; None where there is none.

    A torn or altered file is passed over for the one before it. Only tensors and plain values are
    unpickled; the digest behind them does not disturb the archive that they are in.
    """
    for name in (LAST, _PREVIOUS):
        path = folder / name
        if _is_sealed(path):
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            return state
    return None


def remove_last(folder: Path) -> None:
    """Remove the state to go on from, which a trial that has ended no longer needs."""
    for name in _STATES:
        remove(folder / name)
    for name in (LAST, BEST_WEIGHTS, BEST_METADATA):
        remove_drafts(folder / name)


def last_soundness(folder: Path) -> Soundness:
    """Return whether ``folder`` holds a whole state to go on from; one of two is enough."""
    present = [folder / name for name in (LAST, _PREVIOUS) if (folder / name).is_file()]
    if not present:
        return "absent"
    return "sound" if any(map(_is_sealed, present)) else "torn"


class _Sealing(io.RawIOBase):
    """Passes on what is written, and takes its digest."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:  # noqa: ANN401 - any buffer
        self._hash.update(data)
        return self._file.write(data)

    def digest(self) -> bytes:
        """Return the SHA-256 of all that was written."""
        return self._hash.digest()


def _is_sealed(path: Path) -> bool:
    """Whether a file is there and ends with the digest of what stands before it."""
    try:
        with path.open("rb") as file:
            left = max(0, path.stat().st_size - _DIGEST_BYTES)
            found = hashlib.sha256()
            while left and (data := file.read(min(left, _CHUNK_BYTES))):
                found.update(data)
                left -= len(data)
            sealed = file.read() == found.digest()
    except OSError:
        return False
    if not sealed:
        _LOG.warning("%s is torn or altered and is passed over", path)
    return sealed
