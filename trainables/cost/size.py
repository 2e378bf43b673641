"""Size of a model's files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from safetensors.torch import save

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

MB = 1e6


def checkpoint_mb(model: nn.Module) -> float:
    """Return the size of ``model``'s state as a safetensors file, megabytes of 1e6 bytes."""
    state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    return len(save(state)) / MB


def artifact_mb(path: Path) -> float:
    """Return the size of a file, or of all files below a folder, megabytes of 1e6 bytes.

    Raises:
        FileNotFoundError: ``path`` does not exist.
    """
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) / MB
    return path.stat().st_size / MB
