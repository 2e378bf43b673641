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
"""``torchvision`` (downloaded once), a file, a folder of files named after their backbones, or None
(also ``none``) for random weights."""

TORCHVISION = "torchvision"
NONE = "none"
SUFFIXES = (".safetensors", ".pth", ".pt")
TORCHVISION_NAMES = {"vgg16": "vgg16_bn"}
"""Backbones whose torchvision name is another."""


class WeightsError(Exception):
    """Pretrained weights cannot be had."""


def given_weights(weights: Weights) -> Weights:
    """Return ``weights`` with ``none`` as None."""
    return None if weights == NONE else weights


def fill_classifier(classifier: nn.Module, name: str, weights: str | Path) -> None:
    """Fill torchvision's ``classifier`` in place; its classifying end may be of another size.

    Raises:
        ValueError: the weights are those of another network.
        WeightsError: they cannot be had.
    """
    state = backbone_weights(name, weights)
    state = {key: value for key, value in state.items() if not _classifying(key)}
    fit(classifier, state, f"{weights} does not fit {name}")


def fit(network: nn.Module, state: Mapping[str, torch.Tensor], complaint: str) -> None:
    """Load ``state`` into ``network`` in place; a classifying end may be missing.

    Raises:
        ValueError: names or shapes differ; the message begins with ``complaint``.
    """
    try:
        # The library's encoders override the method and return nothing.
        missing, unknown = nn.Module.load_state_dict(network, state, strict=False)
    except RuntimeError as error:
        raise ValueError(f"{complaint}: {error}") from error
    missing = [key for key in missing if not _classifying(key)]
    if missing or unknown:
        raise ValueError(
            f"{complaint}: {len(missing)} tensors missing {missing[:3]}, "
            f"{len(unknown)} unknown {unknown[:3]}; give a file with torchvision's names"
        )


def backbone_weights(name: str, weights: str | Path) -> dict[str, torch.Tensor]:
    """Return the tensors of backbone ``name`` that ``weights`` names.

    Raises:
        ValueError: the file is no sound file of tensors.
        WeightsError: there is no such file, or torchvision's cannot be downloaded.
    """
    if weights == TORCHVISION:
        return _download(name)
    return read_tensors(_find(Path(weights).expanduser(), name))


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors in a ``.safetensors`` file or a pickle of tensors; no code is run.

    Raises:
        ValueError: it is no such file.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except (UnpicklingError, SafetensorError, RuntimeError, EOFError) as error:
        raise ValueError(f"{path} is no sound file of tensors: {error}") from error


def _find(path: Path, name: str) -> Path:
    if path.is_file():
        return path
    files = [path / f"{name.replace('/', '_')}{suffix}" for suffix in SUFFIXES]
    found = [file for file in files if file.is_file()]
    if found:
        return found[0]
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
            f"torchvision's weights of {name} cannot be fetched from {best.url} ({error}); without "
            f"a network, fetch that file elsewhere and give its path as weights, or train from "
            f"scratch with {NONE}"
        ) from error


def _classifying(key: str) -> bool:
    return key.startswith(("classifier.", "fc."))
