"""Settings of class-incremental training."""

from __future__ import annotations

from dataclasses import dataclass


class ExtendError(Exception):
    """A model cannot be extended by the given classes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExtendConfig:
    """How a trained model learns new classes without forgetting the old ones.

    Raises:
        ValueError: a value is impossible; the message lists all faults.
    """

    epochs: int = 10
    """Epochs over the new images with the exemplars, >= 1."""
    batch_size: int = 8
    """Images per optimizer step, >= 1."""
    learning_rate: float = 3e-4
    """Initial learning rate (AdamW, poly schedule), > 0."""
    ewc: float = 10.0
    """Strength of elastic weight consolidation, >= 0; 0 disables it. A larger strength needs a
    smaller learning rate."""
    fisher_images: int = 32
    """Old training images for the estimate of the Fisher information, >= 1."""
    exemplars: int = 16
    """Old training images that are replayed, >= 0."""
    freeze_norm: bool = True
    """Keep BatchNorm's running statistics of the old images."""
    augmentation: float = 0.3
    """Strength of the random transforms, 0 (none) to 1 (strong)."""
    seed: int = 0
    """Seed of everything random."""

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        bounds = {
            "epochs >= 1": self.epochs >= 1,
            "batch_size >= 1": self.batch_size >= 1,
            "learning_rate > 0": self.learning_rate > 0,
            "ewc >= 0": self.ewc >= 0,
            "fisher_images >= 1": self.fisher_images >= 1,
            "exemplars >= 0": self.exemplars >= 0,
            "augmentation in [0, 1]": 0 <= self.augmentation <= 1,
        }
        broken = [rule for rule, holds in bounds.items() if not holds]
        if broken:
            raise ValueError(f"these must hold: {', '.join(broken)}; got {self}")
