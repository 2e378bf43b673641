"""The model of a finished trial, rebuilt from its files."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trainables.export.export import load_deployed
from trainables.io.atomic import file_digest
from trainables.training.checkpoint import (
    BEST_METADATA,
    BEST_WEIGHTS,
    CheckpointError,
    load_weights,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import nn

    from search_spaces.config import TrialConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainedModel:
    """A model as it ships, with the weights of its best epoch, in evaluation mode on the CPU."""

    module: nn.Module
    """Takes normalised images N x 3 x H x W, returns logits N x C x H x W."""
    config: TrialConfig
    """Its configuration."""
    class_names: tuple[str, ...]
    """Names of its classes by label."""
    digest: str
    """SHA-256 of the file of weights."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Everything the checkpoint says of itself."""


def load_trained(folder: Path) -> TrainedModel:
    """Return what ships of the trial whose files are in ``folder``; their digests must be right.

    That is the network with the channels that pruning left, or the int8 or half-precision program.

    Raises:
        CheckpointError: files are missing or torn, or do not fit each other.
        MissingExtraError: the model is pruned or int8, and a library is not installed.
    """
    _, facts = load_weights(folder / BEST_WEIGHTS, recorded_digest(folder))
    module, config, _ = load_deployed(folder)
    return TrainedModel(
        module=module,
        config=config,
        class_names=tuple(str(name) for name in facts["class_names"]),
        digest=file_digest(folder / BEST_WEIGHTS),
        facts=facts,
    )


def recorded_digest(folder: Path) -> str:
    """Return the SHA-256 that the trial wrote down for its weights.

    Raises:
        CheckpointError: it cannot be read.
    """
    path = folder / BEST_METADATA
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{path} does not say the digest of its weights ({error}); "
            "only a trial that completed can be used"
        ) from error
