"""One trial from its configuration to its final figures."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from search_spaces.config import TrialConfig
from search_spaces.resolution import Resolution
from trainables.compression.unstructured import sparsity
from trainables.cost.cache import cached_profile
from trainables.cost.memory import PeakMemory
from trainables.cost.profile import profile_config
from trainables.cost.size import MB, artifact_mb
from trainables.data.dataset import build_datasets
from trainables.data.soft_label_files import open_soft_labels
from trainables.formats.program import PROGRAM, PROGRAM_DIGEST
from trainables.io.atomic import file_digest, write_atomically
from trainables.io.claim import Claim, writing_under
from trainables.models.build import build_model
from trainables.session.blame import blame
from trainables.session.failure import TRACEBACK, describe_error, write_traceback
from trainables.session.memory import DoesNotFitError, release_memory
from trainables.session.messages import MICRO_BATCHES, EpochDone, Profiled, Restored, TrialDone
from trainables.session.ranks import Ranks
from trainables.training.checkpoint import BEST_METADATA, BEST_WEIGHTS
from trainables.training.energy import EnergyUse
from trainables.training.evaluation import TrialStoppedError
from trainables.training.loop import Trainer
from trainables.training.plan import Plan
from trainables.training.results import write_class_iou, write_pictures
from trainables.training.seeds import seed_everything
from trainables.training.state import remove_last

if TYPE_CHECKING:
    from trainables.cost.profile import CostProfile
    from trainables.data.dataset import SegmentationDataset
    from trainables.models.build import SegmentationModel
    from trainables.session.messages import TrialState, TrialTask
    from trainables.session.session import TrialSession
    from trainables.training.metrics import Scores


def run_trial(task: TrialTask, session: TrialSession) -> TrialDone:
    """Return how the trial ended; its costs and epochs are reported to ``session`` before.

    Called by every rank. A fault of the configuration or the data ends the trial, not the process:
    as ``infeasible`` where memory does not suffice, else as ``failed`` with the reason. A full disk
    preempts it. Faults of devices, the network or other processes are raised. The metrics of a
    trial that did not complete are the costs and the best epoch's scores.
    A complete or failed trial leaves no state to resume from; a stopped or preempted one does.
    The trial's folder is claimed first. A process whose folder has a later claim raises, and
    changes nothing in it.
    """
    trial = _Trial(task, session)
    with writing_under(trial.claim):
        state: TrialState = "complete"
        try:
            reason = trial.run()
        except Exception as error:
            ended = trial.end_after(error)
            if ended is None:
                raise  # the lane ends with it, and another lane resumes from the checkpoint
            state, reason = ended
        if state not in {"stopped", "preempted"} and session.rank == 0:
            remove_last(trial.folder)
    done = TrialDone(
        trial_id=task.trial_id,
        state=state,
        reason=reason,
        metrics=trial.metrics,
        artifacts=tuple(trial.artifacts),
    )
    del trial
    release_memory()
    return done


@dataclass(slots=True)
class _Trial:
    task: TrialTask
    session: TrialSession
    metrics: dict[str, float] = field(default_factory=dict)
    artifacts: list[str] = field(default_factory=list)
    epoch: int = 0

    @property
    def folder(self) -> Path:
        return Path(self.task.output_dir)

    @property
    def claim(self) -> Claim | None:
        return (
            None if self.task.fencing_token is None else Claim(self.folder, self.task.fencing_token)
        )

    def run(self) -> str:
        """Run the trial to its end; return a note on it, usually empty."""
        ranks = Ranks(self.session.rank, self.session.world_size)
        try:
            if self.claim is not None:
                ranks.on_first(self.claim.take)
            plan, model, datasets = ranks.everywhere(self._prepare)
            trainer = Trainer(plan, model, datasets, session=self.session, ranks=ranks)
            ranks.on_first(lambda: self._profile(trainer))
            if self.task.resume:
                self._resume(trainer)
            memory, energy = PeakMemory(self.session.device), EnergyUse(self.session, ranks)
            try:
                with energy, memory:
                    trainer.fit(self._on_epoch)
            finally:
                self._add_training_metrics(trainer, memory)
            self._add_energy("train", energy)
            self._finish(trainer, ranks)
        finally:
            ranks.close()
        if trainer.progress.early_stopped:
            patience = self.task.training.early_stopping_epochs
            return f"no better mIoU in {patience} epochs, ended after {self.epoch}"
        return ""

    def end_after(self, error: Exception) -> tuple[TrialState, str] | None:
        """Return state and reason of a trial that ``error`` ended; None for infrastructure."""
        if isinstance(error, TrialStoppedError):
            return "stopped", f"asked to stop after epoch {self.epoch}"
        if isinstance(error, DoesNotFitError):
            return "infeasible", str(error)
        cause = blame(error)
        if cause == "infrastructure":
            return None
        if cause == "storage":
            return "preempted", f"its files cannot be written: {describe_error(error)}"
        if self.session.rank == 0 and write_traceback(self.folder, error):
            self.artifacts.append(TRACEBACK)
        return "failed", describe_error(error)

    def _resume(self, trainer: Trainer) -> None:
        """Resume from the state in the folder, if there is one, and report it."""
        trainer.resume()
        self.session.report(
            Restored(
                trial_id=self.task.trial_id,
                epoch=trainer.progress.epoch,
                trained_seconds=trainer.progress.trained_seconds,
            )
        )
        for epoch, metrics in enumerate(trainer.progress.history, start=1):
            self._on_epoch(epoch, metrics)  # a receiver that has it already ignores it

    def _prepare(
        self,
    ) -> tuple[Plan, SegmentationModel, tuple[SegmentationDataset, SegmentationDataset]]:
        task = self.task
        config = TrialConfig.from_mapping(task.config)
        if task.training.threads is not None:
            torch.set_num_threads(task.training.threads)
        seed_everything("model", task.seed)
        datasets = self._datasets(config)
        plan = Plan(
            config=config,
            settings=task.training,
            seed=task.seed,
            epochs=task.epochs,
            folder=self.folder,
            metadata={
                "config": config.to_mapping(),
                "class_names": list(datasets[0].class_names),
                "seed": task.seed,
                "sweep_id": task.sweep_id,
                "trial_id": task.trial_id,
                "torch": torch.__version__,
            },
        )
        weights = task.training.weights
        model = build_model(config, datasets[0].num_classes, weights=weights)
        return plan, model, datasets

    def _datasets(self, config: TrialConfig) -> tuple[SegmentationDataset, SegmentationDataset]:
        task = self.task
        soft = None
        if config.distill_alpha > 0 and task.soft_labels is not None:
            soft = open_soft_labels(task.soft_labels)
        scored_at = task.training.eval_resolution
        return build_datasets(
            task.data,
            config.resolution,
            task.cache_dir,
            augmentation=config.augmentation,
            vertical_flips=task.training.vertical_flips,
            seed=task.seed,
            soft_labels=soft,
            mask_resolution=None if scored_at is None else Resolution.parse(scored_at),
        )

    def _profile(self, trainer: Trainer) -> None:
        """Measure the cost, unless it is known, and report it."""
        profile = self._cost(trainer.plan.config, trainer.val.num_classes)
        self.metrics |= {**profile.metrics(), **self.task.measured}
        self.session.report(
            Profiled(
                trial_id=self.task.trial_id,
                metrics=dict(self.metrics),
                details=profile.details(),
            )
        )

    def _cost(self, config: TrialConfig, num_classes: int) -> CostProfile:
        target, channels_last = self.task.target, self.task.training.channels_last
        if "latency_ms" in self.task.measured:
            return profile_config(config, num_classes, target, latency=False)
        return cached_profile(
            config,
            num_classes,
            target,
            self.task.cache_dir,
            channels_last=channels_last,
            measuring=self.session.measuring,
        )

    def _add_training_metrics(self, trainer: Trainer, memory: PeakMemory) -> None:
        progress = trainer.progress
        parts = max(progress.micro_batches, trainer.step.micro.parts)
        if parts > 1:  # the first of these metrics, as MLflow receives a limited number of them
            self.metrics[MICRO_BATCHES] = parts
        self.metrics |= progress.best
        self.metrics |= {"best_epoch": progress.best_epoch, "train_seconds": progress.seconds}
        if memory.mb is not None:
            self.metrics["peak_memory_mb"] = memory.mb
        if memory.reserved_mb is not None:
            self.metrics["peak_reserved_mb"] = memory.reserved_mb

    def _on_epoch(self, epoch: int, metrics: dict[str, float]) -> None:
        self.epoch = epoch
        self.session.report(EpochDone(trial_id=self.task.trial_id, epoch=epoch, metrics=metrics))

    def _finish(self, trainer: Trainer, ranks: Ranks) -> None:
        """Score the best epoch's weights as they are on the disk, and write the result files."""
        trainer.load_best()
        self._compress(trainer)
        energy = EnergyUse(self.session, ranks)
        with energy:
            scores = trainer.evaluate(with_thresholds=True)
        self._add_energy("eval", energy)
        if energy.joules is not None:
            self.metrics["eval_energy_per_image_j"] = energy.joules / len(trainer.val)
        self.metrics |= {
            "miou": scores.miou,
            "pixel_accuracy": scores.pixel_accuracy,
            "val_loss": scores.loss,
            "mae_50": scores.mae_50,
            "mae_50_95": scores.mae_50_95,
        }
        ranks.on_first(lambda: self._write_results(trainer, scores))

    def _compress(self, trainer: Trainer) -> None:
        """Replace the model by its deployed form, and record the float model's mIoU too."""
        config = trainer.plan.config
        if config.pruning == "unstructured":
            self.metrics["sparsity"] = sparsity(trainer.model)
        if config.quantization == "none":
            return
        before = trainer.progress.float_miou
        if config.quantization != "qat_int8":
            before = trainer.evaluate().miou
        if before is not None:
            self.metrics["float_miou"] = before
        trainer.deploy(self.folder / PROGRAM)

    def _write_results(self, trainer: Trainer, scores: Scores) -> None:
        quantized = trainer.plan.config.quantization != "none"
        deployed = self.folder / (PROGRAM if quantized else BEST_WEIGHTS)
        self.metrics["size_mb"] = artifact_mb(deployed)
        if "artifact_bytes" in self.metrics:
            self.metrics["size_mb"] = self.metrics["artifact_bytes"] / MB
        if quantized:
            write_atomically(self.folder / PROGRAM_DIGEST, file_digest(deployed).encode())
            self.artifacts += [PROGRAM, PROGRAM_DIGEST]
        val = trainer.val
        self.artifacts += [BEST_WEIGHTS, BEST_METADATA]
        self.artifacts.append(write_class_iou(self.folder, scores, val.class_names))
        count = self.task.training.sample_images
        self.artifacts += write_pictures(self.folder, trainer.model, val, trainer.compute, count)

    def _add_energy(self, name: str, energy: EnergyUse) -> None:
        """Add to the trial's energy and record the mean power of a phase, where they are known."""
        if energy.joules is not None and energy.watts is not None:
            self.metrics["energy_j"] = self.metrics.get("energy_j", 0.0) + energy.joules
            self.metrics[f"{name}_power_w"] = energy.watts
