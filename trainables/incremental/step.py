"""An optimizer step with elastic weight consolidation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainables.training.metrics import IGNORE_INDEX
from trainables.training.step import TrainStep

if TYPE_CHECKING:
    from torch import Tensor, nn

    from search_spaces.config import TrialConfig
    from trainables.incremental.consolidation import Consolidation
    from trainables.session.ranks import Ranks
    from trainables.training.batches import Batch
    from trainables.training.compute import Compute


class ConsolidatedStep(TrainStep):
    """A training step with the consolidation's penalty in its loss."""

    def __init__(
        self,
        model: nn.Module,
        config: TrialConfig,
        *,
        compute: Compute,
        ranks: Ranks,
        steps_per_epoch: int,
        epochs: int,
        consolidation: Consolidation | None,
    ) -> None:
        super().__init__(
            model,
            config,
            compute=compute,
            ranks=ranks,
            steps_per_epoch=steps_per_epoch,
            epochs=epochs,
        )
        self._consolidation = consolidation

    def _loss(self, part: Batch) -> Tensor:
        """Return the loss summed over valid pixels, each with the penalty."""
        loss = super()._loss(part)
        if self._consolidation is None:
            return loss
        valid = (part["mask"] != IGNORE_INDEX).sum().to(loss.device)
        return loss + valid * self._consolidation.penalty(self.model)
