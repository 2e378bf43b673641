"""Training of a model on further classes."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import torch
from torch import nn

from trainables.config import TrainingConfig
from trainables.data.dataset import build_datasets
from trainables.incremental.config import ExtendError
from trainables.incremental.methods import (
    Consolidation,
    expanded,
    fisher_information,
    herd,
    image_features,
)
from trainables.incremental.relabelled import Part, Relabelled
from trainables.session.local import LocalSession
from trainables.session.ranks import Ranks
from trainables.training.batches import OrderedBatches, ShuffledBatches, make_loader
from trainables.training.checkpoint import save_best
from trainables.training.compute import Compute
from trainables.training.evaluation import evaluate
from trainables.training.finite import NotFiniteError
from trainables.training.metrics import IGNORE_INDEX
from trainables.training.seeds import seed_everything
from trainables.training.step import TrainStep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from torch import Tensor

    from search_spaces.config import TrialConfig
    from trainables.config import DataConfig
    from trainables.data.dataset import SegmentationDataset
    from trainables.incremental.config import ExtendConfig
    from trainables.inference.trained import TrainedModel
    from trainables.models.build import SegmentationModel
    from trainables.training.metrics import Scores


@dataclass(frozen=True, kw_only=True, slots=True)
class Extension:
    """The scores of a model that was extended by new classes."""

    class_names: tuple[str, ...]
    """All classes by label, the old ones first."""
    old_miou_before: float
    """mIoU over the old classes on the old validation images, before, [0, 1]."""
    old_miou: float
    """The same afterwards, when the new classes may be predicted too, [0, 1]."""
    new_miou: float
    """mIoU over the new classes on the new validation images, [0, 1]."""
    exemplars: tuple[int, ...]
    """Indices of the old training images that were replayed, best first."""

    @property
    def forgetting(self) -> float:
        """Loss of mIoU over the old classes, in [-1, 1]; lower is better."""
        return self.old_miou_before - self.old_miou


def extend_model(
    trained: TrainedModel,
    *,
    old_data: DataConfig,
    new_data: DataConfig,
    new_classes: Sequence[str],
    settings: ExtendConfig,
    cache_dir: Path,
    folder: Path,
    device: torch.device,
    on_epoch: Callable[[int, float], None] | None = None,
) -> Extension:
    """Train ``trained`` on ``new_classes``; write the model into ``folder`` and return its scores.

    Pixels of the new images that are labelled with an old class train it too; those of any other
    class are ignored. The files are those of a finished trial.

    Args:
        trained: The model.
        old_data: Its data set; forgetting is measured on the validation images.
        new_data: Labelled images with the new classes, which are selected by name.
        new_classes: Names of classes that the model lacks.
        settings: Settings of the training.
        cache_dir: Folder of decoded images.
        folder: Folder of the new model.
        device: Device to train on.
        on_epoch: Called with each epoch's number and mean loss.

    Raises:
        ExtendError: the classes do not fit the model or the data, the architecture cannot be
            extended, the training diverged, or the validation images show none of the classes.
        DataError: a data set cannot be used.
    """
    names = (*trained.class_names, *new_classes)
    config = replace(trained.config, distill_alpha=0.0, temperature=None)
    drawn = {"seed": settings.seed, "augmentation": settings.augmentation}
    old = build_datasets(old_data, config.resolution, cache_dir, **drawn)  # type: ignore[arg-type]
    new = build_datasets(new_data, config.resolution, cache_dir, **drawn)  # type: ignore[arg-type]
    _check_classes(trained.class_names, new_classes, old[0], new[0])
    run = _Run(settings, Compute.of(device, TrainingConfig()))
    seed_everything("extend", settings.seed)
    model = run.compute.place(cast("SegmentationModel", trained.module))
    count = len(trained.class_names)
    old_val = Relabelled(trained.class_names, Part(old[1], trained.class_names))
    before = run.score(model, old_val, count)
    plain = build_datasets(old_data, config.resolution, cache_dir)[0]
    exemplars = herd(image_features(model, run.images(plain, len(plain))), settings.exemplars)
    larger = run.compute.place(expanded(model, config, count, len(new_classes)))
    consolidation = run.consolidation(model, plain)
    samples = Relabelled(names, Part(new[0], names), Part(old[0], names, exemplars))
    run.train(larger, config_of(config, settings), samples, consolidation, on_epoch)
    old_scores = run.score(larger, old_val, len(names))
    new_scores = run.score(larger, Relabelled(names, Part(new[1], names)), len(names))
    extension = Extension(
        class_names=names,
        old_miou_before=_mean(before.iou[:count]),
        old_miou=_mean(old_scores.iou[:count]),
        new_miou=_mean(new_scores.iou[count:]),
        exemplars=tuple(exemplars),
    )
    _require_scores(extension)
    _save(larger, trained, extension, settings, folder)
    return extension


def config_of(config: TrialConfig, settings: ExtendConfig) -> TrialConfig:
    """Return the configuration for further training, without weight decay."""
    return replace(
        config,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        optimizer="adamw",
        momentum=None,
        weight_decay=0.0,
        schedule="poly",
        schedule_step_epochs=None,
    )


@dataclass(frozen=True, slots=True)
class _Run:
    settings: ExtendConfig
    compute: Compute

    def images(self, dataset: SegmentationDataset, count: int) -> Iterator[Tensor]:
        """Yield the first images as batches of one, on the device."""
        for index in range(min(count, len(dataset))):
            yield self.compute.inputs(dataset.batch([index]))["image"]

    def consolidation(
        self, model: SegmentationModel, dataset: SegmentationDataset
    ) -> Consolidation | None:
        """Return the penalty on changes of the old weights; None where ``ewc`` is 0."""
        if not self.settings.ewc > 0:
            return None
        generator = torch.Generator().manual_seed(self.settings.seed)
        images = self.images(dataset, self.settings.fisher_images)
        fisher = fisher_information(model, images, generator)
        anchor = {name: weight.detach().clone() for name, weight in model.named_parameters()}
        return Consolidation(anchor, fisher, self.settings.ewc)

    def train(
        self,
        model: SegmentationModel,
        config: TrialConfig,
        samples: Relabelled,
        consolidation: Consolidation | None,
        on_epoch: Callable[[int, float], None] | None,
    ) -> None:
        """Train ``model`` on ``samples`` in place."""
        batches = ShuffledBatches(len(samples), config.batch_size, seed=self.settings.seed)
        loader = make_loader(samples, batches, workers=0, device=self.compute.device)
        step = TrainStep(
            model,
            config,
            compute=self.compute,
            ranks=Ranks(0, 1),
            steps_per_epoch=len(batches),
            epochs=self.settings.epochs,
            penalty=None if consolidation is None else consolidation.penalty,
        )
        for epoch in range(1, self.settings.epochs + 1):
            seed_everything("extend", self.settings.seed, epoch)
            batches.set_epoch(epoch)
            samples.set_epoch(epoch)
            self._train_mode(model)
            loss, pixels = 0.0, 0.0
            for batch in loader:
                inputs = self.compute.inputs(batch)
                valid = (inputs["mask"] != IGNORE_INDEX).sum()
                loss += float(step(inputs, valid))
                pixels += float(valid)
            if not math.isfinite(loss):
                raise ExtendError(
                    f"the loss is not finite in epoch {epoch}; lower the learning rate "
                    f"({self.settings.learning_rate:g}) or ewc ({self.settings.ewc:g})"
                )
            if on_epoch is not None:
                on_epoch(epoch, loss / max(pixels, 1.0))

    def score(self, model: nn.Module, samples: Relabelled, classes: int) -> Scores:
        """Return the scores of ``model`` on ``samples``."""
        loader = make_loader(
            samples,
            OrderedBatches(len(samples)),
            workers=0,
            device=self.compute.device,
        )
        session, ranks = LocalSession(device=self.compute.device), Ranks(0, 1)
        try:
            return evaluate(
                model, loader, classes, compute=self.compute, session=session, ranks=ranks
            )
        except NotFiniteError as error:
            raise ExtendError(
                f"the model cannot be scored: {error}; lower the learning rate "
                f"({self.settings.learning_rate:g}) or ewc ({self.settings.ewc:g})"
            ) from error

    def _train_mode(self, model: nn.Module) -> None:
        model.train()
        if self.settings.freeze_norm:
            for module in model.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()


def _check_classes(
    known: Sequence[str],
    added: Sequence[str],
    old: SegmentationDataset,
    new: SegmentationDataset,
) -> None:
    faults = []
    if not added or len(set(added)) != len(added):
        faults.append(f"give at least one new class, each once, got {list(added)}")
    if present := [name for name in added if name in known]:
        faults.append(f"the model has {', '.join(present)} already")
    if missing := [name for name in added if name not in new.class_names]:
        faults.append(
            f"the new data has no class {', '.join(missing)}; it has {', '.join(new.class_names)}"
        )
    if missing := [name for name in known if name not in old.class_names]:
        faults.append(f"the old data lacks the model's class {', '.join(missing)}")
    if faults:
        raise ExtendError("; ".join(faults))


def _require_scores(extension: Extension) -> None:
    if not math.isfinite(extension.forgetting):
        raise ExtendError("the old validation images show none of the old classes; see --old")
    if not math.isfinite(extension.new_miou):
        raise ExtendError("the new validation images show none of the new classes; see --data")


def _mean(values: Sequence[float]) -> float:
    """Return the mean of the values that are not NaN; NaN without any."""
    numbers = [value for value in values if not math.isnan(value)]
    return sum(numbers) / len(numbers) if numbers else math.nan


def _save(
    model: SegmentationModel,
    trained: TrainedModel,
    extension: Extension,
    settings: ExtendConfig,
    folder: Path,
) -> None:
    facts = {
        "config": trained.config.to_mapping(),
        "class_names": list(extension.class_names),
        "miou": extension.old_miou,
        "extended": {
            "from": trained.digest,
            "forgetting": extension.forgetting,
            "old_miou_before": extension.old_miou_before,
            "new_miou": extension.new_miou,
            "exemplars": list(extension.exemplars),
            "epochs": settings.epochs,
            "ewc": settings.ewc,
        },
    }
    save_best(folder, model.state_dict(), facts)
