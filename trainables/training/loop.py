"""The epochs of one training: train, validate, keep the best, be able to go on."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import torch

from trainables.compression.deployed import deploy
from trainables.compression.quantization import FrozenProgram, QuantizationAwareModel
from trainables.compression.stages import stages
from trainables.compression.unstructured import bake_masks
from trainables.formats.program import save_program
from trainables.session.session import HearsPreemption
from trainables.training.batches import OrderedBatches, ShuffledBatches, make_loader
from trainables.training.checkpoint import (
    BEST_WEIGHTS,
    load_weights,
    save_best,
)
from trainables.training.compressing import calibration_batches, change_model, plain_state
from trainables.training.compute import Compute
from trainables.training.evaluation import check_stop, evaluate
from trainables.training.finite import DivergedError, NotFiniteError
from trainables.training.metrics import IGNORE_INDEX
from trainables.training.pacer import Pacer
from trainables.training.plan import PartialEpoch, Progress
from trainables.training.resuming import identity_of, sound_state
from trainables.training.seeds import seed_everything
from trainables.training.state import save_last
from trainables.training.step import TrainStep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from torch import nn

    from trainables.data.dataset import SegmentationDataset
    from trainables.session.ranks import Ranks
    from trainables.session.session import TrialSession
    from trainables.training.batches import Batch
    from trainables.training.metrics import Scores
    from trainables.training.plan import Plan

CHECK_STEPS = 16
"""Steps between two reads of the loss, each of which waits for the device and the other ranks."""


class Trainer:
    """Trains one model; every rank holds one and calls the same methods."""

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
        workers = plan.settings.loader_workers
        device = session.device
        self._train_loader = make_loader(self._train, self._batches, workers=workers, device=device)
        self._val_loader = make_loader(self.val, order, workers=workers, device=device)
        self._stages = list(stages(plan.config, plan.epochs))
        self._changed = False
        self._partial: PartialEpoch | None = None
        self._own: dict[str, Any] | None = None
        self._noticed = False
        self._scored = "validation"
        self.step = self._make_step()
        self._pacer = Pacer()

    def resume(self) -> bool:
        """Go on from the newest sound state in the folder; whether there was one of this plan.

        Raises:
            DivergedError: the state is of a training that had diverged.
        """
        state = self._ranks.on_first(lambda: sound_state(self.plan))
        if state is None:
            return False
        self.progress = Progress(**state["progress"])
        partial = state.get("partial")
        self._change_model(before=self.progress.epoch + (partial is not None))
        self.step.load_state_dict(state["step"])
        if partial is not None:
            own = state["own"]  # of as many ranks as there were, which a sweep keeps
            self._partial, self._own = PartialEpoch(**partial), own[self._ranks.rank % len(own)]
        return True

    @property
    def trained_seconds(self) -> float:
        """Time spent in training so far, s: epochs that are over, and the state's part of one."""
        return self.progress.seconds + (0.0 if self._partial is None else self._partial.seconds)

    def fit(self, on_epoch: Callable[[int, dict[str, float]], None]) -> None:
        """Train the epochs that are left; ``on_epoch`` is told each one's number and metrics.

        The state is saved after ``on_epoch``, so an epoch that was interrupted in between is
        trained and told again.

        Raises:
            DivergedError: the loss, or the weights, logits or metrics of a validation are not
                finite.
            DoesNotFitError: not even one image at a time fits into memory.
            TrialStoppedError: the session asked the trial to end; the best is on disk.
        """
        while self.progress.epoch < self.plan.epochs and not self.progress.early_stopped:
            self._changed = self._change_model(before=self.progress.epoch + 1) or (
                self._partial is not None and self._partial.changed
            )
            epoch, metrics = self._run_epoch()
            self.progress.history.append(metrics)
            self._ranks.everywhere(lambda: on_epoch(epoch, metrics))  # noqa: B023 - called at once
            if self._ranks.on_first(self._pacer.is_due):
                self._ranks.on_first(self._save)

    def load_best(self) -> None:
        """Put the best epoch's weights from the disk into the model."""
        path = self.plan.folder / BEST_WEIGHTS
        weights = self._ranks.on_first(lambda: load_weights(path)[0])
        bake_masks(self.model)
        self.model.load_state_dict(weights)
        self._scored = f"validation of the best epoch, {self.progress.best_epoch}"

    def deploy(self, path: Path) -> None:
        """Make the model what ships of it, for good; rank 0 writes it to ``path`` (``.pt2``)."""
        config = self.plan.config
        self.model = self._ranks.everywhere(
            lambda: deploy(self.model.cpu(), config, lambda: calibration_batches(self._train))
        )
        best = self.progress.best_epoch
        self._scored = f"validation of epoch {best} after {config.quantization} quantization"
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
            raise DivergedError(f"{self._scored}: {error}; {self._remedy()}") from error

    def _remedy(self) -> str:
        config = self.plan.config
        if isinstance(self.model, FrozenProgram):
            return (
                f"the float model is sound, {config.quantization} cannot hold its values; use "
                "another quantization"
            )
        return f"a learning rate below {config.learning_rate:g} or a gradient_clip may help"

    def _change_model(self, *, before: int) -> bool:
        """Do what the plan does to the model before epoch ``before``; whether there was anything.

        A changed model is another one: its optimizer starts anew, and so does the search for its
        best epoch.
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
        """Give every rank the weights and statistics of the first."""
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

    def _run_epoch(self) -> tuple[int, dict[str, float]]:
        epoch = self.progress.epoch + 1
        done = self._partial or self._nothing_of(epoch)
        self._partial = None
        start = time.perf_counter() - done.seconds
        train_loss = self._train_epoch(done, start)
        self._ranks.average_buffers(self.model)
        if isinstance(self.model, QuantizationAwareModel):
            self._share_state()  # zero points are whole numbers, which have no mean
        self._scored = f"validation after epoch {epoch}"
        scores = self.evaluate()
        if math.isnan(scores.miou):
            raise ValueError("the validation images have no labelled pixel; check the masks")
        self._note(epoch, scores)
        seconds = time.perf_counter() - start
        self.progress.seconds += seconds
        return epoch, {
            "train_loss": train_loss,
            "val_loss": scores.loss,
            "miou": scores.miou,
            "pixel_accuracy": scores.pixel_accuracy,
            "learning_rate": done.learning_rate,
            "epoch_seconds": seconds,
        }

    def _nothing_of(self, epoch: int) -> PartialEpoch:
        return PartialEpoch(
            epoch=epoch,
            steps=0,
            loss=0.0,
            pixels=0.0,
            learning_rate=self.step.learning_rate,
            changed=self._changed,
        )

    def _train_epoch(self, done: PartialEpoch, start: float) -> float:
        """Train what is left of an epoch that began at ``start``, seconds of ``perf_counter``.

        Return the mean loss over all its valid pixels.
        """
        epoch = done.epoch
        seed_everything("epoch", self.plan.seed, epoch, self._ranks.rank)
        self._batches.set_epoch(epoch, skipped=done.steps)
        self._train.set_epoch(epoch)
        self.model.train()
        batches = iter(self._train_loader)
        if self._own is not None:
            self.step.load_own_state(self._own)
            self._own = None
        begun = done.loss if self._ranks.rank == 0 else 0.0
        loss = torch.tensor(begun, dtype=torch.float64, device=self.compute.device)
        pixels = done.pixels
        for step in range(done.steps, len(self._batches)):
            check_stop(self._session)
            if self._saves_here():
                so_far = self._ranks.total(float(loss))
                seconds = time.perf_counter() - start
                partial = replace(done, steps=step, loss=so_far, pixels=pixels, seconds=seconds)
                own = self._ranks.gather(self.step.own_state())
                self._ranks.on_first(lambda: self._save(partial, own))  # noqa: B023 - called at once
            batch, valid = self._next(batches)
            loss += self.step(batch, valid)
            pixels += valid
            if self._looks_at_loss(step):
                total = self._ranks.total(float(loss))
                if not math.isfinite(total):
                    raise DivergedError(
                        f"the training loss is {total} in epoch {epoch}, found after step "
                        f"{step + 1}; {self._remedy()}"
                    )
        return total / pixels if pixels else 0.0

    def _saves_here(self) -> bool:
        """Whether to save in the middle of the epoch: at a notice, and as paced from then on."""
        session = self._session
        if not (isinstance(session, HearsPreemption) and session.preemption_noticed()):
            return False
        first, self._noticed = not self._noticed, True
        return first or self._ranks.on_first(self._pacer.is_due)

    def _next(self, batches: Iterator[Batch]) -> tuple[Batch, float]:
        """Return this rank's next batch and the number of valid pixels on all ranks."""
        batch: Batch = {}
        error: Exception | None = None
        valid = 0.0
        try:
            batch = next(batches)
            valid = float((batch["mask"] != IGNORE_INDEX).sum())
        except Exception as failure:  # noqa: BLE001 - the other ranks must learn of every failure
            error = failure
        return batch, self._ranks.agree(error, valid)

    def _looks_at_loss(self, step: int) -> bool:
        return step + 1 == len(self._batches) or (step + 1) % CHECK_STEPS == 0

    def _note(self, epoch: int, scores: Scores) -> None:
        """Count the epoch, and keep its weights if they are the best so far."""
        progress, patience = self.progress, self.plan.settings.early_stopping_epochs
        progress.epoch = epoch
        if self._changed or not progress.best or scores.miou > progress.best["miou"]:
            self._changed = False
            progress.best = {"miou": scores.miou, "pixel_accuracy": scores.pixel_accuracy}
            progress.best_epoch = epoch
            self._ranks.on_first(self._save_best)
        stalled = patience is not None and epoch - progress.best_epoch >= patience
        progress.early_stopped = stalled and not self._stages

    def _save_best(self) -> None:
        facts = {"epoch": self.progress.best_epoch, **self.progress.best}
        save_best(self.plan.folder, plain_state(self.model), {**self.plan.metadata, **facts})

    def _save(
        self, partial: PartialEpoch | None = None, own: list[dict[str, Any]] | None = None
    ) -> None:
        state: dict[str, Any] = {
            "identity": identity_of(self.plan),
            "step": self.step.state_dict(),
            "progress": asdict(self.progress),
        }
        if partial is not None:
            state |= {"partial": asdict(partial), "own": own}
        with self._pacer:
            save_last(self.plan.folder, state)
