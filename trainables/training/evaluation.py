"""Scores of a model on a data set, over all ranks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from trainables.session.memory import MicroBatches
from trainables.training.batches import split_batch
from trainables.training.loss import resize_logits, segmentation_loss_sum
from trainables.training.metrics import Scores, ScoreSums

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn
    from torch.utils.data import DataLoader

    from trainables.data.transforms import Batch
    from trainables.session.ranks import Ranks
    from trainables.session.session import TrialSession
    from trainables.training.compute import Compute


class TrialStoppedError(Exception):
    """The session asked the trial to end."""


def check_stop(session: TrialSession) -> None:
    """Synchronize the session; return if no stop was requested.

    Raises:
        TrialStoppedError: a stop was requested; on all ranks alike.
    """
    session.synchronize()
    if session.should_stop():
        raise TrialStoppedError


def evaluate(
    model: nn.Module,
    loader: DataLoader[Batch],
    num_classes: int,
    *,
    compute: Compute,
    session: TrialSession,
    ranks: Ranks,
    with_thresholds: bool = False,
) -> Scores:
    """Return the scores over the images of all ranks, equal on each.

    Logits are resized to the masks. The model stays in evaluation mode. Whether its weights and
    logits are finite is counted on the device, and read once with the scores.

    Args:
        model: The plain module (no DDP wrapper), the same on every rank.
        loader: This rank's batches, equally many on all ranks.
        num_classes: C.
        compute: The device.
        session: Checked for a stop before every batch.
        ranks: The trial's ranks.
        with_thresholds: Also score ``mae_50`` and ``mae_50_95``, which takes another softmax.

    Raises:
        TrialStoppedError: the session asked the trial to end.
        NotFiniteError: weights, logits, the loss or a metric are not finite; on all ranks alike.
    """
    model.eval()
    sums = ScoreSums(num_classes, compute.device, with_thresholds=with_thresholds)
    sums.check_weights(model.state_dict().values())
    counter = _Counter(model, compute, sums)
    batches = iter(loader)
    error: Exception | None = None
    with torch.inference_mode():
        for _ in range(len(loader)):
            check_stop(session)
            error = error or counter.count(batches)
    ranks.agree(error)
    packed = ranks.sum(sums.packed())
    sums.require_finite(packed)
    return sums.scores(packed)


class _Counter:
    def __init__(self, model: nn.Module, compute: Compute, sums: ScoreSums) -> None:
        self._model, self._compute, self._sums = model, compute, sums
        self._micro = MicroBatches()

    def count(self, batches: Iterator[Batch]) -> Exception | None:
        """Count the next batch; return its error, which ``Ranks.agree`` raises later."""
        try:
            batch = next(batches)
            if batch:
                size = len(batch["mask"])
                self._sums.merge(self._micro.run(lambda n: self._counted(batch, n), size=size))
        except Exception as error:  # noqa: BLE001 - ``agree`` raises it on every rank
            return error
        return None

    def _counted(self, batch: Batch, parts: int) -> ScoreSums:
        sums = self._sums.empty()
        for part in split_batch(batch, parts):
            inputs = self._compute.inputs(part)
            masks = inputs["mask"]
            with self._compute.autocast():
                logits = self._model(inputs["image"])
            sums.check_logits(logits)
            logits = resize_logits(logits.float(), masks.shape[-2:])
            sums.add(logits, masks, segmentation_loss_sum(logits, masks))
        return sums
