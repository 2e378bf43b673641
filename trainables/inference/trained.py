"""The model of a finished trial, loaded from its files."""

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
    """A deployed model with the weights of its best epoch, in evaluation mode on the CPU."""

    module: nn.Module
    """Takes normalised images [N, 3, H, W], returns logits [N, C, H, W]."""
    config: TrialConfig
    """Its configuration."""
    class_names: tuple[str, ...]
    """Names of its classes by label."""
    digest: str
    """SHA-256 of the file of weights."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Metadata of the checkpoint."""


def load_trained(folder: Path) -> TrainedModel:
    """Return the deployed model of the trial in ``folder``, whose digests are checked.

    That is the network without pruned channels, or the int8 or half-precision program.

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
    """Return the SHA-256 that the trial recorded for its weights.

    Raises:
        CheckpointError: it cannot be read.
    """
    path = folder / BEST_METADATA
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{path} does not contain the digest of the weights ({error}); "
            "only a completed trial can be used"
        ) from error
