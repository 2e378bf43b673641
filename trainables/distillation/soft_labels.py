"""A teacher's logits of every training image, computed once for all students."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from filelock import FileLock
from torch.nn import functional

from search_spaces.resolution import Resolution
from trainables.data.cache import DECODING_VERSION
from trainables.data.dataset import build_datasets
from trainables.data.digest import join_digests, split_digest
from trainables.data.layouts.registry import open_layout
from trainables.data.soft_label_files import is_complete, write_soft_labels
from trainables.distillation.teacher import TeacherError, load_teacher
from trainables.session.memory import MicroBatches
from trainables.training.batches import OrderedBatches, make_loader, split_batch
from trainables.training.compute import Compute

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from trainables.config import DataConfig
    from trainables.data.dataset import SegmentationDataset
    from trainables.data.transforms import Batch
    from trainables.models.build import SegmentationModel

STRIDE = 8
"""Side of the teacher's images over the side of the stored logits."""
_VERSION = 1
"""Version of the stored format."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SoftLabelKey:
    """What soft labels depend on."""

    teacher: str
    """SHA-256 of the teacher's weights."""
    split: str
    """Digest of the training images."""
    resolution: Resolution
    """Height and width of the teacher's images."""
    stride: int
    """Side of its images over the side of the logits."""

    def shape(self, images: int, classes: int) -> tuple[int, int, int, int]:
        """Return the shape [N, C, h, w] of the logits."""
        height = math.ceil(self.resolution.height / self.stride)
        width = math.ceil(self.resolution.width / self.stride)
        return images, classes, height, width

    @property
    def digest(self) -> str:
        """16 hex digits, equal for equal keys."""
        facts = [
            f"{_VERSION} {DECODING_VERSION}",
            self.teacher,
            self.split,
            str(self.resolution),
            str(self.stride),
        ]
        return join_digests(facts)


def ensure_soft_labels(
    teacher: Path,
    data: DataConfig,
    cache_dir: str | Path,
    *,
    device: torch.device | None = None,
    stride: int = STRIDE,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Return the folder of the teacher's logits, computed first where they are missing.

    They are float16 [N, C, h, w], in the order of the training images, without augmentation and at
    the teacher's own resolution. They cover the whole image, so that students of any resolution can
    interpolate them. Concurrent processes compute them once.

    Args:
        teacher: The teacher's checkpoint.
        data: The data set; must have the teacher's classes.
        cache_dir: Folder of the soft labels.
        device: Device of the teacher; None for the CPU.
        stride: Side of the teacher's images over the side of the logits, >= 1.
        progress: Called with the number of finished images and of all images.

    Raises:
        TeacherError: the teacher has other classes, or its logits are not finite.
        CacheError: the cache folder has too little space.
    """
    info, model = load_teacher(teacher)
    layout = open_layout(data, cache_dir)
    if tuple(layout.class_names) != info.class_names:
        raise TeacherError(
            f"teacher {teacher} has the classes {', '.join(info.class_names)}, the data set has "
            f"{', '.join(layout.class_names)}; train a teacher on this data set"
        )
    key = SoftLabelKey(
        teacher=info.digest,
        split=split_digest(layout, layout.train, cache_dir),
        resolution=Resolution.parse(info.resolution),
        stride=stride,
    )
    folder = Path(cache_dir) / "soft_labels" / key.digest
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not is_complete(folder):
            train, _ = build_datasets(data, key.resolution, cache_dir)
            compute = Compute(device=device or torch.device("cpu"))
            shape = key.shape(len(train), len(info.class_names))
            logits = _logits(model, train, key, compute)
            try:
                write_soft_labels(folder, shape, logits, progress)
            except ValueError as error:
                raise TeacherError(f"teacher {teacher}: {error}; train another teacher") from error
    return folder


def _logits(
    model: SegmentationModel, train: SegmentationDataset, key: SoftLabelKey, compute: Compute
) -> Iterator[NDArray[np.float16]]:
    """Yield the logits of each batch, [n, C, h, w]."""
    size = key.shape(0, 0)[2:]
    placed = compute.place(model)
    placed.eval()
    loader = make_loader(train, OrderedBatches(len(train)), workers=0, device=compute.device)
    micro = MicroBatches()

    def attempt(batch: Batch, parts: int) -> list[NDArray[np.float16]]:
        computed = []
        for part in split_batch(batch, parts):
            with torch.inference_mode(), compute.autocast():
                coarse = placed.coarse_logits(compute.inputs(part)["image"])
                logits = functional.interpolate(
                    coarse.float(), size=size, mode="bilinear", antialias=True, align_corners=False
                )
            computed.append(logits.half().contiguous().cpu().numpy())
        return computed

    for batch in loader:
        yield from micro.run(partial(attempt, batch), size=len(batch["mask"]))
