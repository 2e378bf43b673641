"""Checkpoints that are either whole or not there."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors.torch
import torch
from safetensors import safe_open

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

BEST_WEIGHTS = "best.safetensors"
"""Weights of the best epoch, with their metadata in the file's own header."""
BEST_METADATA = "best.json"
"""The same metadata for readers without safetensors, with the weights' SHA-256."""
LAST = "last.pt"
"""Everything that going on needs."""
_PREVIOUS = "last.previous.pt"
_DIGESTS = "last.sha256.json"


class CheckpointError(Exception):
    """A checkpoint is missing, torn or not what it claims to be."""


def write_atomically(path: Path, data: bytes) -> None:
    """Make ``path`` hold ``data`` or leave it as it was, whenever the process or machine dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def save_weights(path: Path, weights: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> str:
    """Write weights to a safetensors file with JSON metadata in its header; return its SHA-256."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    header = {"segsweep": json.dumps(metadata, sort_keys=True)}
    data = safetensors.torch.save(tensors, metadata=header)
    write_atomically(path, data)
    return hashlib.sha256(data).hexdigest()


def load_weights(path: Path, digest: str | None = None) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the weights and the metadata of a file ``save_weights`` wrote.

    Args:
        path: The safetensors file.
        digest: SHA-256 the file must have; None does not compare.

    Raises:
        CheckpointError: the file is missing, torn, of another origin or of another digest.
    """
    if not path.is_file():
        raise CheckpointError(
            f"there is no checkpoint {path}; give the path of a .safetensors file"
        )
    if digest is not None and (found := file_digest(path)) != digest:
        raise CheckpointError(
            f"{path} is not the file that was saved: its SHA-256 is {found}, recorded is {digest}"
        )
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except Exception as error:
        raise CheckpointError(f"{path} cannot be read as safetensors: {error}") from error
    if "segsweep" not in header:
        raise CheckpointError(f"{path} was not written by segsweep: its header has no metadata")
    return weights, json.loads(header["segsweep"])


def save_best(folder: Path, weights: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> str:
    """Write the best weights and their metadata into ``folder``; return the weights' SHA-256.

    A crash between the two files leaves new weights beside the former JSON; the header of the
    weights is what counts, and a resumed trial trains that epoch again and writes both.
    """
    digest = save_weights(folder / BEST_WEIGHTS, weights, metadata)
    text = json.dumps({**metadata, "sha256": digest}, indent=2, sort_keys=True)
    write_atomically(folder / BEST_METADATA, text.encode())
    return digest


def save_last(folder: Path, state: Mapping[str, Any]) -> None:
    """Write the state to go on from, keeping the one before it.

    The digests of both are written first, so that whichever of the two files a crash leaves under
    whichever name can be recognised.
    """
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    data = buffer.getvalue()
    digests = [hashlib.sha256(data).hexdigest(), *_known_digests(folder)[:1]]
    write_atomically(folder / _DIGESTS, json.dumps(digests).encode())
    if (folder / LAST).exists():
        (folder / LAST).replace(folder / _PREVIOUS)
    write_atomically(folder / LAST, data)


def load_last(folder: Path) -> dict[str, Any] | None:
    """Return the newest sound state in ``folder``; None where there is none.

    A torn file is passed over for the one before it. Only tensors and plain values are unpickled.
    """
    known = _known_digests(folder)
    for name in (LAST, _PREVIOUS):
        path = folder / name
        if path.is_file() and file_digest(path) in known:
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            return state
    return None


def remove_last(folder: Path) -> None:
    """Remove the state to go on from, which a trial that has ended no longer needs."""
    for name in (LAST, _PREVIOUS, _DIGESTS):
        (folder / name).unlink(missing_ok=True)


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file as hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _known_digests(folder: Path) -> list[str]:
    try:
        known = json.loads((folder / _DIGESTS).read_text())
    except (OSError, ValueError):
        return []
    return [str(digest) for digest in known]
