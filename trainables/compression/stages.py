"""When a training changes the model it trains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from search_spaces.config import TrialConfig

QAT_SHARE = 0.2
"""Share of the epochs that train with rounding, at least one epoch."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One change of the model between two epochs."""

    kind: Literal["prune", "quantize"]
    """Take weights away, or train with int8 rounding from here on."""
    after_epoch: int
    """Epochs trained before it, >= 0."""


def stages(config: TrialConfig, epochs: int) -> tuple[Stage, ...]:
    """Return what a training of ``epochs`` (>= 1) does to the model, in order.

    Pruning ``halfway`` leaves the later half, rounded up, for fine-tuning; quantization-aware
    training takes the last fifth of the epochs, one at least. Both may fall between the same two
    epochs; then pruning comes first.
    """
    found = []
    if config.pruning != "none":
        found.append(Stage("prune", 0 if config.pruning_when == "before" else epochs // 2))
    if config.quantization == "qat_int8":
        found.append(Stage("quantize", epochs - max(1, round(QAT_SHARE * epochs))))
    return tuple(sorted(found, key=lambda stage: stage.after_epoch))
