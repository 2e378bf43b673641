"""Pretrained weights of a backbone."""

from __future__ import annotations

from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.error import URLError

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn
from torchvision.models import get_model_weights

if TYPE_CHECKING:
    from collections.abc import Mapping

Weights: TypeAlias = str | Path | None
"""``torchvision`` (downloaded once), a file, a folder of files named after their backbones, or
``none`` or None for random weights."""

TORCHVISION = "torchvision"
NONE = "none"
SUFFIXES = (".safetensors", ".pth", ".pt")
TORCHVISION_NAMES = {"vgg16": "vgg16_bn"}
"""torchvision's names of backbones, where they differ."""


class WeightsError(Exception):
    """Pretrained weights are not available."""


def given_weights(weights: Weights) -> Weights:
    """Return ``weights`` with ``none`` as None."""
    return None if weights == NONE else weights


def load_classifier(classifier: nn.Module, name: str, weights: str | Path) -> None:
    """Load weights into torchvision's ``classifier`` in place, except its classification layers.

    Raises:
        ValueError: the weights belong to another network.
        WeightsError: they are not available.
    """
    state = backbone_weights(name, weights)
    state = {key: value for key, value in state.items() if not _classifying(key)}
    load_state(classifier, state, f"{weights} does not fit {name}")


def load_state(network: nn.Module, state: Mapping[str, torch.Tensor], prefix: str) -> None:
    """Load ``state`` into ``network`` in place; classification layers may be missing.

    Raises:
        ValueError: names or shapes differ; the message begins with ``prefix``.
    """
    try:
        # The library's encoders override load_state_dict and return None.
        missing, unknown = nn.Module.load_state_dict(network, state, strict=False)
    except RuntimeError as error:
        raise ValueError(f"{prefix}: {error}") from error
    missing = [key for key in missing if not _classifying(key)]
    if missing or unknown:
        raise ValueError(
            f"{prefix}: {len(missing)} tensors missing {missing[:3]}, "
            f"{len(unknown)} unknown {unknown[:3]}; give a file with torchvision's names"
        )


def backbone_weights(name: str, weights: str | Path) -> dict[str, torch.Tensor]:
    """Return the tensors of backbone ``name`` from ``weights``.

    Raises:
        ValueError: the file is not a file of tensors.
        WeightsError: the file does not exist, or the download failed.
    """
    if weights == TORCHVISION:
        return _download(name)
    return read_tensors(_find(Path(weights).expanduser(), name))


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors in a ``.safetensors`` file or a pickle of tensors; no code is executed.

    Raises:
        ValueError: it is not such a file.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except (UnpicklingError, SafetensorError, RuntimeError, EOFError) as error:
        raise ValueError(f"{path} is not a readable file of tensors: {error}") from error


def _find(path: Path, name: str) -> Path:
    if path.is_file():
        return path
    files = [path / f"{name.replace('/', '_')}{suffix}" for suffix in SUFFIXES]
    existing = [file for file in files if file.is_file()]
    if existing:
        return existing[0]
    wanted = f"{files[0].name} or {files[1].name}" if path.is_dir() else f"a file or folder {path}"
    raise WeightsError(
        f"there are no weights of {name}: no {wanted} in {path if path.is_dir() else path.parent}; "
        f"give a file, a folder of such files, {TORCHVISION} or {NONE}"
    )


def _download(name: str) -> dict[str, torch.Tensor]:
    known = TORCHVISION_NAMES.get(name, name)
    try:
        best: Any = get_model_weights(known).DEFAULT
    except ValueError as error:
        raise WeightsError(
            f"torchvision has no weights of {name}; give a local file, or {NONE}"
        ) from error
    try:
        return dict(best.get_state_dict(progress=False, check_hash=True))
    except (URLError, OSError, RuntimeError) as error:
        raise WeightsError(
            f"torchvision's weights of {name} cannot be downloaded from {best.url} ({error}); "
            "without a network, download that file elsewhere and give its path as weights, or "
            f"train from scratch with {NONE}"
        ) from error


def _classifying(key: str) -> bool:
    return key.startswith(("classifier.", "fc."))
