"""The scores of a complete trial's model on one split."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from search_spaces.resolution import Resolution
from trainables.data.dataset import build_dataset
from trainables.export.export import load_deployed
from trainables.session.ranks import Ranks
from trainables.training.batches import OrderedBatches, make_loader
from trainables.training.compute import Compute
from trainables.training.evaluation import evaluate

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from trainables.config import DataConfig, TrainingConfig
    from trainables.data.dataset import SegmentationDataset
    from trainables.data.layouts.base import SplitRole
    from trainables.session.session import TrialSession
    from trainables.training.metrics import Scores


def score_split(
    folder: Path,
    role: SplitRole,
    *,
    data: DataConfig,
    training: TrainingConfig,
    cache_dir: str | Path,
    session: TrialSession,
) -> Scores:
    """Return the scores of the deployed model of the trial in ``folder``, equal on every rank.

    The evaluation is that at the end of a trial: on the session's device, with masks of
    ``training.eval_resolution``. So the scores on ``val`` are those that the trial recorded.

    Args:
        folder: The trial's folder.
        role: The split.
        data: The data set.
        training: Settings under which the trial was scored.
        cache_dir: Folder of decoded images.
        session: Gives rank, device and stop requests.

    Raises:
        CheckpointError: the trial's files cannot be used.
        DataError: the data set cannot be used.
        CacheError: the cache folder cannot take the decoded images.
        ValueError: no pixel of the split is labelled.
        TrialStoppedError: the session asked for a stop.
    """
    ranks = Ranks(session.rank, session.world_size)
    compute = Compute.of(session.device, training)

    def prepare() -> tuple[nn.Module, SegmentationDataset]:
        model, config, _ = load_deployed(folder)
        at = training.eval_resolution
        dataset = build_dataset(
            data,
            role,
            config.resolution,
            cache_dir,
            mask_resolution=None if at is None else Resolution.parse(at),
        )
        return compute.place(model), dataset

    try:
        model, dataset = ranks.everywhere(prepare)
        order = OrderedBatches(len(dataset), rank=ranks.rank, world_size=ranks.world_size)
        workers, device = training.loader_workers, session.device
        scores = evaluate(
            model,
            make_loader(dataset, order, workers=workers, device=device),
            dataset.num_classes,
            compute=compute,
            session=session,
            ranks=ranks,
        )
    finally:
        ranks.close()
    if not math.isfinite(scores.miou):
        raise ValueError(f"the mIoU on split {role!r} is not finite; check its masks")
    return scores
