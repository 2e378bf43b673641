"""The model of a finished trial, rebuilt from its files."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from search_spaces.config import TrialConfig
from trainables.models.build import build_model
from trainables.training.atomic import file_digest
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


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainedModel:
    """A model with the weights of its best epoch, in evaluation mode on the CPU."""

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
    """Return the model of the trial whose files are in ``folder``; its digest must be right.

    Raises:
        CheckpointError: files are missing or torn, or the deployed model is not the float model
            that they hold.
    """
    weights, facts = load_weights(folder / BEST_WEIGHTS, recorded_digest(folder))
    config = TrialConfig.from_mapping(facts["config"])
    if config.quantization != "none" or config.pruning == "structured":
        raise CheckpointError(
            f"{folder / BEST_WEIGHTS} holds a float model, but what is deployed of this trial has "
            f"quantization={config.quantization}, pruning={config.pruning}; "
            "choose a trial without them"
        )
    names = tuple(str(name) for name in facts["class_names"])
    module = build_model(config, len(names))
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(
            f"the weights in {folder} do not fit the model they name: {error}"
        ) from error
    return TrainedModel(
        module=module.eval(),
        config=config,
        class_names=names,
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
