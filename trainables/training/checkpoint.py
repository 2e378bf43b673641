"""The best weights of a training and their metadata, written atomically."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import safetensors.torch
from safetensors import safe_open

from trainables.io.atomic import file_digest, move, write_atomically
from trainables.training.finite import broken_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from torch import Tensor

BEST_WEIGHTS = "best.safetensors"
"""Weights of the best epoch, with their metadata and digest in the file's own header."""
BEST_METADATA = "best.json"
"""The same metadata for readers without safetensors, with the file's SHA-256."""
PREVIOUS_BEST = "best.previous.safetensors"
"""The best weights before those, until the trial ends."""

Soundness: TypeAlias = Literal["absent", "sound", "torn"]
"""State of a file: missing, intact, or incomplete."""


class CheckpointError(Exception):
    """A checkpoint is missing, torn or altered."""


def save_weights(path: Path, weights: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> str:
    """Write weights to a safetensors file with JSON metadata in its header; return its SHA-256.

    The header holds a digest of the tensors too, so that the file alone shows whether it is intact.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    header = {"segsweep": json.dumps(metadata, sort_keys=True)}
    header["sha256"] = _tensor_digest(safetensors.torch.save(tensors))
    data = safetensors.torch.save(tensors, metadata=header)
    write_atomically(path, data)
    return hashlib.sha256(data).hexdigest()


def load_weights(path: Path, digest: str | None = None) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the weights and the metadata of a file ``save_weights`` wrote.

    Args:
        path: The safetensors file.
        digest: Required SHA-256 of the file; None checks the digest in its header alone.

    Raises:
        CheckpointError: the file is missing, torn, altered, not written by ``save_weights``, has
            another digest, or holds weights that are not finite.
    """
    if not path.is_file():
        raise CheckpointError(
            f"checkpoint {path} does not exist; give the path of a .safetensors file"
        )
    data = path.read_bytes()
    if digest is not None and (found := hashlib.sha256(data).hexdigest()) != digest:
        raise CheckpointError(
            f"{path} is not the file that was saved: its SHA-256 is {found}, expected {digest}"
        )
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except Exception as error:
        raise CheckpointError(f"{path} cannot be read as safetensors: {error}") from error
    if "segsweep" not in header:
        raise CheckpointError(f"{path} was not written by segsweep: its header has no metadata")
    if header.get("sha256", "") not in {"", _tensor_digest(data)}:
        raise CheckpointError(f"{path} was altered: its tensors do not match its digest")
    if broken := broken_weights(weights):
        raise CheckpointError(
            f"{path} is the result of a training that diverged: {len(broken)} of its "
            f"{len(weights)} tensors are not finite, the first is {broken[0]}; train it again with "
            "a lower learning rate"
        )
    return weights, json.loads(header["segsweep"])


def save_best(folder: Path, weights: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> str:
    """Write the best weights and their metadata into ``folder``; return the weights' SHA-256.

    The previous best weights are kept until the trial ends. A crash between the two files leaves
    new weights beside the old JSON; ``restore_best`` rewrites the JSON when the trial resumes.
    """
    if _is_sound_best(folder / BEST_WEIGHTS):
        move(folder / BEST_WEIGHTS, folder / PREVIOUS_BEST)
    digest = save_weights(folder / BEST_WEIGHTS, weights, metadata)
    _describe(folder, metadata, digest)
    return digest


def restore_best(
    folder: Path, wanted: Callable[[Mapping[str, Any]], bool]
) -> dict[str, Any] | None:
    """Return the metadata of the newest intact best weights that are ``wanted``; None without any.

    Afterwards they are ``best.safetensors``, with their JSON beside them.
    """
    for name in (BEST_WEIGHTS, PREVIOUS_BEST):
        try:
            _, metadata = load_weights(folder / name)
        except CheckpointError:
            continue
        if wanted(metadata):
            if name != BEST_WEIGHTS:
                move(folder / name, folder / BEST_WEIGHTS)
            _describe(folder, metadata, file_digest(folder / BEST_WEIGHTS))
            return metadata
    return None


def best_soundness(folder: Path) -> Soundness:
    """Return whether the best weights in ``folder`` are intact."""
    if not (folder / BEST_WEIGHTS).is_file():
        return "absent"
    return "sound" if _is_sound_best(folder / BEST_WEIGHTS) else "torn"


def _describe(folder: Path, metadata: Mapping[str, Any], digest: str) -> None:
    text = json.dumps({**metadata, "sha256": digest}, indent=2, sort_keys=True)
    write_atomically(folder / BEST_METADATA, text.encode())


def _is_sound_best(path: Path) -> bool:
    try:
        load_weights(path)
    except CheckpointError:
        return False
    return True


def _tensor_digest(data: bytes) -> str:
    """Return the SHA-256 of a safetensors file without its header, whose length comes first."""
    start = 8 + int.from_bytes(data[:8], "little")
    return hashlib.sha256(memoryview(data)[start:]).hexdigest()
