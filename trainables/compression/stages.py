"""The epochs at which training prunes the model or starts to quantize it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from search_spaces.config import TrialConfig

QAT_SHARE = 0.2
"""Share of the epochs with quantization-aware training, at least one epoch."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One change of the model between two epochs."""

    kind: Literal["prune", "quantize"]
    """Prune the model, or start quantization-aware training."""
    after_epoch: int
    """Epochs trained before it, >= 0."""


def stages(config: TrialConfig, epochs: int) -> tuple[Stage, ...]:
    """Return the changes of the model in a training of ``epochs`` (>= 1), in order.

    Pruning ``halfway`` leaves half of the epochs, rounded up, for fine-tuning. Quantization-aware
    training takes the last fifth of the epochs, at least one. At the same epoch, pruning is first.
    """
    changes = []
    if config.pruning != "none":
        changes.append(Stage("prune", 0 if config.pruning_when == "before" else epochs // 2))
    if config.quantization == "qat_int8":
        changes.append(Stage("quantize", epochs - max(1, round(QAT_SHARE * epochs))))
    return tuple(sorted(changes, key=lambda stage: stage.after_epoch))
