"""What one training is to do, with how far it has come."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from search_spaces.config import TrialConfig
    from trainables.config import TrainingConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What is trained, for how long, with which settings."""

    config: TrialConfig
    """The configuration."""
    settings: TrainingConfig
    """Settings shared by all trials."""
    seed: int
    """Seed of everything random."""
    epochs: int
    """Epochs, >= 1."""
    folder: Path
    """Where checkpoints go."""
    metadata: Mapping[str, Any]
    """What is written into the checkpoint besides epoch and scores."""


@dataclass(kw_only=True, slots=True)
class PartialEpoch:
    """How far an epoch has come that was saved before its end."""

    epoch: int
    """The epoch, from 1."""
    steps: int
    """Batches trained."""
    loss: float
    """Sum of the loss over their valid pixels on all ranks."""
    pixels: float
    """Their valid pixels on all ranks."""
    learning_rate: float
    """Learning rate as the epoch began."""
    changed: bool
    """Whether the model was changed before the epoch."""
    seconds: float = 0.0
    """Time spent on them, s."""


@dataclass(kw_only=True, slots=True)
class Progress:
    """How far a training has come."""

    epoch: int = 0
    """Epochs finished."""
    best_epoch: int = 0
    """Epoch of the best mIoU, from 1; 0 before the first."""
    best: dict[str, float] = field(default_factory=dict)
    """``miou`` and ``pixel_accuracy`` of that epoch."""
    seconds: float = 0.0
    """Time spent in finished epochs, training and validation, s."""
    history: list[dict[str, float]] = field(default_factory=list)
    """Metrics of each finished epoch, so that one whose telling was lost can be told again."""
    early_stopped: bool = False
    """Whether it ended because the mIoU no longer rose."""
    float_miou: float | None = None
    """Best mIoU before training went on with int8 rounding; None where it did not."""
