"""What a training is to do, and how far it has come."""

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
    """Folder of the checkpoints."""
    metadata: Mapping[str, Any]
    """Metadata of the checkpoint besides epoch and scores."""


@dataclass(kw_only=True, slots=True)
class PartialEpoch:
    """How far an epoch has come."""

    epoch: int
    """The epoch, from 1."""
    learning_rate: float
    """Learning rate at its first step."""
    changed: bool
    """Whether the model was pruned or quantized right before the epoch."""
    steps: int = 0
    """Batches trained."""
    loss: float = 0.0
    """Sum of the loss over their valid pixels on all ranks."""
    pixels: float = 0.0
    """Their valid pixels on all ranks."""
    seconds: float = 0.0
    """Time spent on them, s."""
    rank_states: list[dict[str, Any]] = field(default_factory=list)
    """``TrainStep.rank_state`` of every rank after ``steps``; empty at the first step."""


@dataclass(kw_only=True, slots=True)
class Progress:
    """How far a training has come."""

    epoch: int = 0
    """Epochs finished."""
    best_epoch: int = 0
    """Epoch of the best mIoU, from 1; 0 before the first."""
    best: dict[str, float] = field(default_factory=dict)
    """``miou`` and ``pixel_accuracy`` of that epoch."""
    micro_batches: int = 1
    """Largest number of micro-batches of a rank's batch in the finished epochs, >= 1."""
    seconds: float = 0.0
    """Time spent in finished epochs, training and validation, s."""
    history: list[dict[str, float]] = field(default_factory=list)
    """Metrics of each finished epoch: a resumed trial reports them again, as reports get lost."""
    early_stopped: bool = False
    """Whether it ended because the mIoU no longer rose."""
    float_miou: float | None = None
    """Best mIoU before quantization-aware training began; None without it."""
    partial: PartialEpoch | None = None
    """The epoch in whose middle the state was saved; None between two epochs."""

    @property
    def trained_seconds(self) -> float:
        """Time spent in training, s: all finished epochs and the finished part of the next."""
        return self.seconds + (0.0 if self.partial is None else self.partial.seconds)
