"""The state that a training goes on from, either whole or not there."""

from __future__ import annotations

import hashlib
import io
import logging
from typing import TYPE_CHECKING, Any

import torch

from trainables.training.atomic import move, remove, remove_drafts, write_atomically
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


def save_last(folder: Path, state: Mapping[str, Any]) -> None:
    """Write the state to go on from, keeping the sound one before it.

    Each file ends with its own digest, so that whatever a crash leaves can be recognised.
    """
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    data = buffer.getvalue()
    if (folder / LAST).exists() and _sealed(folder / LAST) is not None:
        move(folder / LAST, folder / _PREVIOUS)
    write_atomically(folder / LAST, data + hashlib.sha256(data).digest())


def load_last(folder: Path) -> dict[str, Any] | None:
    """Return the newest sound state in ``folder``; None where there is none.

    A torn or altered file is passed over for the one before it. Only tensors and plain values are
    unpickled.
    """
    for name in (LAST, _PREVIOUS):
        data = _sealed(folder / name)
        if data is not None:
            state: dict[str, Any] = torch.load(
                io.BytesIO(data), map_location="cpu", weights_only=True
            )
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
    return "sound" if any(_sealed(path) is not None for path in present) else "torn"


def _sealed(path: Path) -> bytes | None:
    """Return what a file that ends with its digest holds; None where it is missing or torn."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    content, digest = data[:-_DIGEST_BYTES], data[-_DIGEST_BYTES:]
    if hashlib.sha256(content).digest() == digest:
        return content
    _LOG.warning("%s is torn or altered and is passed over", path)
    return None
