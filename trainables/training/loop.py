"""The epochs of one training: train, validate, keep the best weights, save the state."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from trainables.compression.deployed import deploy
from trainables.compression.quantization import FrozenProgram, QuantizationAwareModel
from trainables.compression.stages import stages
from trainables.compression.unstructured import bake_masks
from trainables.formats.program import save_program
from trainables.session.session import ReceivesNotices
from trainables.training.batches import OrderedBatches, ShuffledBatches, make_loader
from trainables.training.checkpoint import BEST_WEIGHTS, load_weights, save_best
from trainables.training.checkpoint_interval import CheckpointInterval
from trainables.training.compressing import calibration_batches, change_model, plain_state
from trainables.training.compute import Compute
from trainables.training.evaluation import check_stop, evaluate
from trainables.training.finite import DivergedError, NotFiniteError
from trainables.training.metrics import IGNORE_INDEX
from trainables.training.plan import PartialEpoch, Progress
from trainables.training.resume_point import ResumePoint, find_resume_point
from trainables.training.seeds import seed_everything
from trainables.training.step import TrainStep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from torch import Tensor, nn
    from torch.utils.data import DataLoader, Sampler

    from trainables.data.dataset import SegmentationDataset
    from trainables.data.transforms import Batch
    from trainables.session.ranks import Ranks
    from trainables.session.session import TrialSession
    from trainables.training.metrics import Scores
    from trainables.training.plan import Plan

CHECK_STEPS = 16
"""Steps between two reads of the loss; each read waits for the device and the other ranks."""


class Trainer:
    """Trains one model; every rank holds one and calls the same methods in the same order."""

    def __init__(
        self,
        plan: Plan,
        model: nn.Module,
        datasets: tuple[SegmentationDataset, SegmentationDataset],
        *,
        session: TrialSession,
        ranks: Ranks,
    ) -> None:
        """Prepare to train ``model`` on the first of ``datasets`` and score it on the second."""
        self.plan, self.progress = plan, Progress()
        self.compute = Compute.of(session.device, plan.settings)
        self.model = self.compute.place(model)
        self._session, self._ranks = session, ranks
        self._train, self.val = datasets
        self._batches = ShuffledBatches(
            len(self._train),
            plan.config.batch_size,
            seed=plan.seed,
            rank=ranks.rank,
            world_size=ranks.world_size,
        )
        order = OrderedBatches(len(self.val), rank=ranks.rank, world_size=ranks.world_size)
        if session.device.type == "cuda":
            self._keep_on_device(plan.settings.resident_mb << 20)
        self._train_loader = self._loader(self._train, self._batches)
        self._val_loader = self._loader(self.val, order)
        self._stages = list(stages(plan.config, plan.epochs))
        self._phase = "validation"
        self.step = self._make_step()
        self._interval = CheckpointInterval()

    def resume(self) -> bool:
        """Resume from the newest intact state in the folder; whether there was one of this plan.

        Raises:
            DivergedError: the training of the state had diverged.
        """
        point = self._ranks.on_first(lambda: find_resume_point(self.plan))
        if point is None:
            return False
        self.progress = point.progress
        self._change_model(before=self.progress.epoch + (self.progress.partial is not None))
        self.step.load_state_dict(point.step)
        return True

    def fit(self, on_epoch: Callable[[int, dict[str, float]], None]) -> None:
        """Train the remaining epochs; call ``on_epoch`` with the number and metrics of each.

        The state is saved after ``on_epoch``, so an epoch that was interrupted in between is
        trained and reported again.

        Raises:
            DivergedError: the loss, or the weights, logits or metrics of a validation are not
                finite.
            DoesNotFitError: not even one image at a time fits into memory.
            TrialStoppedError: the session asked the trial to end; the best weights are saved.
        """
        progress = self.progress
        while progress.epoch < self.plan.epochs and not progress.early_stopped:
            epoch = progress.partial or self._new_epoch(progress.epoch + 1)
            progress.partial = None
            start = time.perf_counter() - epoch.seconds
            train_loss = self._train_epoch(epoch, start)
            parts = self._ranks.gather(self.step.micro.parts)
            progress.micro_batches = max(progress.micro_batches, *parts)
            scores = self._validate(epoch)
            seconds = time.perf_counter() - start
            progress.seconds += seconds
            metrics = {
                "train_loss": train_loss,
                "val_loss": scores.loss,
                "miou": scores.miou,
                "pixel_accuracy": scores.pixel_accuracy,
                "learning_rate": epoch.learning_rate,
                "epoch_seconds": seconds,
            }
            progress.history.append(metrics)
            self._ranks.everywhere(lambda: on_epoch(progress.epoch, metrics))  # noqa: B023 - called at once
            if self._ranks.on_first(self._interval.is_due):
                self._ranks.on_first(lambda: self._save(progress))

    def load_best(self) -> None:
        """Load the best epoch's weights from the disk into the model."""
        path = self.plan.folder / BEST_WEIGHTS
        weights = self._ranks.on_first(lambda: load_weights(path)[0])
        bake_masks(self.model)
        self.model.load_state_dict(weights)
        self._phase = f"validation of the best epoch, {self.progress.best_epoch}"

    def deploy(self, path: Path) -> None:
        """Replace the model by its deployed form for good; rank 0 writes it to ``path`` (.pt2)."""
        config = self.plan.config
        self.model = self._ranks.everywhere(
            lambda: deploy(self.model.cpu(), config, lambda: calibration_batches(self._train))
        )
        best = self.progress.best_epoch
        self._phase = f"validation of epoch {best} after {config.quantization} quantization"
        self._ranks.on_first(lambda: save_program(self.model, config.resolution, path))
        self.model = self.compute.place(self.model)

    def evaluate(self, *, with_thresholds: bool = False) -> Scores:
        """Return the model's scores on the validation images.

        Raises:
            DivergedError: weights, logits, the loss or a metric are not finite.
        """
        try:
            return evaluate(
                self.model,
                self._val_loader,
                self.val.num_classes,
                compute=self.compute,
                session=self._session,
                ranks=self._ranks,
                with_thresholds=with_thresholds,
            )
        except NotFiniteError as error:
            raise DivergedError(f"{self._phase}: {error}; {self._remedy()}") from error

    def _keep_on_device(self, most_bytes: int) -> None:
        """Copy the training images to the device, then the others, where they fit."""
        left = most_bytes
        for dataset in (self._train, self.val):
            if dataset.bytes <= left:
                dataset.keep_on(self.compute.device, most_bytes)
                left -= dataset.bytes

    def _loader(self, dataset: SegmentationDataset, order: Sampler[list[int]]) -> DataLoader[Batch]:
        return make_loader(
            dataset,
            order,
            workers=self.plan.settings.loader_workers,
            device=self.compute.device,
            resident=dataset.is_resident,
        )

    def _remedy(self) -> str:
        config = self.plan.config
        if isinstance(self.model, FrozenProgram):
            return (
                f"the float model is finite, {config.quantization} cannot represent its values; "
                "use another quantization"
            )
        return f"a learning rate below {config.learning_rate:g} or a gradient_clip may help"

    def _new_epoch(self, number: int) -> PartialEpoch:
        changed = self._change_model(before=number)
        return PartialEpoch(epoch=number, learning_rate=self.step.learning_rate, changed=changed)

    def _change_model(self, *, before: int) -> bool:
        """Prune or quantize the model as planned before epoch ``before``; whether it changed.

        A changed model gets a new optimizer, and the search for its best epoch restarts.
        """
        due = [stage for stage in self._stages if stage.after_epoch < before]
        for stage in due:
            self._stages.remove(stage)
            if stage.kind == "quantize" and self.progress.epoch == stage.after_epoch:
                self.progress.float_miou = self.progress.best.get("miou")
            model = self._ranks.everywhere(
                lambda: change_model(stage, self.model, self.plan.config, self._train, self.compute)  # noqa: B023 - called at once
            )
            self.model = self.compute.place(model)
            self._share_state()
            self.step = self._make_step(taken=stage.after_epoch * len(self._batches))
        return bool(due)

    def _share_state(self) -> None:
        """Copy rank 0's weights and statistics to every rank."""
        if self._ranks.world_size > 1:
            state = self._ranks.on_first(
                lambda: {name: value.cpu() for name, value in self.model.state_dict().items()}
            )
            self.model.load_state_dict(state)

    def _make_step(self, taken: int = 0) -> TrainStep:
        plan = self.plan
        return TrainStep(
            self.model,
            plan.config,
            compute=self.compute,
            ranks=self._ranks,
            steps_per_epoch=len(self._batches),
            epochs=plan.epochs,
            gradient_clip=plan.settings.gradient_clip,
            taken=taken,
        )

    def _train_epoch(self, epoch: PartialEpoch, start: float) -> float:
        """Train the remaining steps of ``epoch``; return the mean loss over its valid pixels.

        ``start`` is its begin, seconds of ``perf_counter``.
        """
        ranks = self._ranks
        seed_everything("epoch", self.plan.seed, epoch.epoch, ranks.rank)
        self._batches.set_epoch(epoch.epoch, skipped=epoch.steps)
        self._train.set_epoch(epoch.epoch)
        self.model.train()
        batches = iter(self._train_loader)
        if epoch.rank_states:  # right before the first step, as the above draws random numbers too
            # A teacher may be resumed by a sweep with another number of ranks.
            self.step.load_rank_state(epoch.rank_states[ranks.rank % len(epoch.rank_states)])
        before = epoch.loss if ranks.rank == 0 else 0.0  # counted once in the sum over ranks
        loss, pixels = torch.tensor(
            [before, epoch.pixels], dtype=torch.float64, device=self.compute.device
        )
        for step in range(epoch.steps, len(self._batches)):
            check_stop(self._session)
            if self._is_save_due():
                partial = replace(
                    epoch,
                    steps=step,
                    loss=ranks.total(float(loss)),
                    pixels=float(pixels),
                    seconds=time.perf_counter() - start,
                    rank_states=ranks.gather(self.step.rank_state()),
                )
                ranks.on_first(lambda: self._save(replace(self.progress, partial=partial)))  # noqa: B023 - called at once
            batch, valid = self._next(batches)
            loss += self.step(batch, valid)
            pixels += valid
            if self._reads_loss(step):
                total = ranks.total(float(loss))
                if not math.isfinite(total):
                    raise DivergedError(
                        f"the training loss is {total} in epoch {epoch.epoch}, found after step "
                        f"{step + 1}; {self._remedy()}"
                    )
        return total / max(float(pixels), 1.0)

    def _is_save_due(self) -> bool:
        """Whether to save in the middle of an epoch, which happens after a preemption notice."""
        session = self._session
        noticed = isinstance(session, ReceivesNotices) and session.preemption_noticed()
        return noticed and self._ranks.on_first(self._interval.is_due_after_notice)

    def _next(self, batches: Iterator[Batch]) -> tuple[Batch, Tensor]:
        """Return this rank's next inputs and the valid pixels on all ranks, a scalar."""
        inputs = self._ranks.everywhere(lambda: self.compute.inputs(next(batches)))
        valid = (inputs["mask"] != IGNORE_INDEX).sum()
        return inputs, self._ranks.sum_on_device(valid)

    def _reads_loss(self, step: int) -> bool:
        return step + 1 == len(self._batches) or (step + 1) % CHECK_STEPS == 0

    def _validate(self, epoch: PartialEpoch) -> Scores:
        """Score the model, count the epoch and save its weights if they are the best so far."""
        self._ranks.average_buffers(self.model)
        if isinstance(self.model, QuantizationAwareModel):
            self._share_state()  # zero points are integers, which cannot be averaged
        self._phase = f"validation after epoch {epoch.epoch}"
        scores = self.evaluate()
        if math.isnan(scores.miou):
            raise ValueError("the validation images have no labelled pixel; check the masks")
        progress, patience = self.progress, self.plan.settings.early_stopping_epochs
        progress.epoch = epoch.epoch
        if epoch.changed or not progress.best or scores.miou > progress.best["miou"]:
            progress.best = {"miou": scores.miou, "pixel_accuracy": scores.pixel_accuracy}
            progress.best_epoch = epoch.epoch
            self._ranks.on_first(self._save_best)
        stalled = patience is not None and epoch.epoch - progress.best_epoch >= patience
        progress.early_stopped = stalled and not self._stages
        return scores

    def _save_best(self) -> None:
        facts = {"epoch": self.progress.best_epoch, **self.progress.best}
        save_best(self.plan.folder, plain_state(self.model), {**self.plan.metadata, **facts})

    def _save(self, progress: Progress) -> None:
        with self._interval:
            ResumePoint(self.step.state_dict(), progress).save(self.plan)
