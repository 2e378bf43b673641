"""Reproduces the figures of a model on this machine: mIoU and latency."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from orchestrator.spec.networks import scored_alike
from search_spaces.resolution import Resolution
from trainables.compression.deployed import build_pruned
from trainables.cost.host import device_name
from trainables.cost.latency import measure_artifact, measure_latency
from trainables.cost.profile import PRECISION, TimedNetwork
from trainables.cost.quiet import QuietNode, quiet_path
from trainables.cost.size import MB
from trainables.cost.targets import artifact_format
from trainables.data.cache import cached_split
from trainables.data.layouts.registry import open_layout
from trainables.data.transforms import normalized
from trainables.formats.artifact import write_artifact
from trainables.inference.split_scores import score_split
from trainables.session.local import LocalSession
from trainables.session.messages import UNDISTURBED
from trainables.training.metrics import confusion_matrix, mean_iou

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from orchestrator.spec.sweep_spec import SweepSpec
    from trainables.cost.latency import LatencyMeasurement
    from trainables.inference.trained import TrainedModel

MEASUREMENTS = 3
"""Most repetitions of a latency measurement."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ValidationSet:
    """The validation images at the resolution of a model, with the true masks."""

    images: Path
    """Array file, uint8 [N, H, W, 3] at the model's resolution."""
    masks: NDArray[np.uint8]
    """True classes [N, h, w]; 255 is ignored."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the masks."""
        return int(self.masks.shape[1]), int(self.masks.shape[2])


def validation_set(
    spec: SweepSpec, resolution: Resolution, scored_at: str | None = None
) -> ValidationSet:
    """Return the validation split of ``spec`` for a model of ``resolution``.

    Args:
        spec: Spec of the sweep.
        resolution: Resolution of the images.
        scored_at: HEIGHTxWIDTH of the masks; None is the resolution that trials are scored at.

    Raises:
        DataError: the data set cannot be used.
        CacheError: the cache folder cannot hold the decoded images.
    """
    at = Resolution.parse(scored_at or scored_alike(spec).eval_resolution)
    cache = spec.storage.cache_dir
    split = cached_split(
        open_layout(spec.data, cache), "val", resolution, cache, mask_resolution=at
    )
    images = split.images()
    return ValidationSet(images=Path(str(getattr(images, "filename", ""))), masks=split.masks())


def score(masks: NDArray[np.uint8], truth: NDArray[np.uint8], num_classes: int) -> float:
    """Return the dataset-level mIoU of predicted ``masks`` [N, H, W], in [0, 1]."""
    counts = torch.zeros((num_classes, num_classes), dtype=torch.int64)
    for predicted, true in zip(masks, truth, strict=True):
        labels = torch.from_numpy(np.array(true)).long()
        counts += confusion_matrix(
            torch.from_numpy(np.array(predicted)).long(), labels, num_classes
        )
    return mean_iou(counts)


def score_on_test(trial: Path, spec: SweepSpec) -> float:
    """Return the mIoU on the test split of the trial in the folder ``trial``, scored as in a sweep.

    Raises:
        CheckpointError: the files of the trial cannot be used.
        DataError: the data set cannot be used.
        CacheError: the cache folder cannot hold the decoded images.
        ValueError: the split has no labelled pixel.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    scores = score_split(
        trial,
        "test",
        data=spec.data,
        training=scored_alike(spec),
        cache_dir=spec.storage.cache_dir,
        session=LocalSession(device=device),
    )
    return scores.miou


def trained_masks(trained: TrainedModel, val: ValidationSet, count: int) -> NDArray[np.uint8]:
    """Return the trained model's masks of the first ``count`` images, [n, H, W].

    They are computed as in the evaluation during training, not by the packed model.
    """
    masks = []
    with torch.inference_mode():
        for image in np.load(val.images, mmap_mode="r")[:count]:
            pictures = torch.from_numpy(np.array(image)[None])
            logits = trained.module(normalized(pictures).contiguous())
            masks.append(logits.argmax(1).to(torch.uint8).numpy())
    return np.concatenate(masks)


def measure_latency_again(
    trained: TrainedModel, spec: SweepSpec, good_enough: float
) -> tuple[dict[str, float], LatencyMeasurement]:
    """Measure the latency as in the sweep; return the figures and the measurement.

    It is repeated up to ``MEASUREMENTS`` times, until it is undisturbed and at most
    ``good_enough``, ms. If the target runs an artifact, that is exported and ``size_mb`` is
    returned too.

    Raises:
        RuntimeError: the target needs a missing GPU, or cannot load the artifact.
        MissingExtraError: an exporter or a runtime is not installed.
    """
    with tempfile.TemporaryDirectory(prefix="segsweep-promote-") as folder:
        sizes, timed = _timed(trained, spec, Path(folder))
        measured = []
        for _ in range(MEASUREMENTS):
            measured.append(timed.measure(QuietNode(quiet_path()).measuring))
            if measured[-1].undisturbed and measured[-1].latency_ms <= good_enough:
                break
    best = min(measured, key=lambda each: (not each.undisturbed, each.latency_ms))
    figures = {"latency_ms": best.latency_ms, UNDISTURBED: float(best.undisturbed)}
    return {**sizes, **figures}, best


def _timed(
    trained: TrainedModel, spec: SweepSpec, folder: Path
) -> tuple[dict[str, float], TimedNetwork]:
    """Return the size of the artifact that the target runs, if any, and the latency measurement."""
    config, target = trained.config, spec.target
    suffix = artifact_format(target)
    if suffix is None:
        # the sweep measured the half-precision network, not the program that converts its input
        half = config.quantization == "fp16"
        module = build_pruned(config, len(trained.class_names)).half() if half else trained.module
        order = spec.training.channels_last
        run = partial(measure_latency, module, config.resolution, target, channels_last=order)
        return {}, TimedNetwork(target=target, run=run)
    path = folder / f"model.{suffix}"
    write_artifact(trained.module, config.resolution, path, batch_size=target.batch_size)
    precision = PRECISION[config.quantization]
    run = partial(measure_artifact, path, config.resolution, target, precision=precision)
    return {"size_mb": path.stat().st_size / MB}, TimedNetwork(target=target, run=run)


def machine(spec: SweepSpec) -> str:
    """Return the processor or GPU of this machine's latency measurements.

    Raises:
        RuntimeError: the target needs a missing GPU.
    """
    return device_name(spec.target)


def quiet_node() -> AbstractContextManager[object]:
    """Return the context that pauses all other work of this product on this node."""
    return QuietNode(quiet_path()).measuring()
