"""One optimizer step over a batch of all ranks, in as many micro-batches as memory needs."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.parallel import DistributedDataParallel

from trainables.session.memory import MicroBatches
from trainables.training.batches import split_batch
from trainables.training.loss import segmentation_loss_sum
from trainables.training.metrics import IGNORE_INDEX
from trainables.training.optim import build_optimizer, build_schedule

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

    from search_spaces.config import TrialConfig
    from trainables.data.transforms import Batch
    from trainables.session.ranks import Ranks
    from trainables.training.compute import Compute


class TrainStep:
    """Model, optimizer and schedule, advanced together.

    The gradient is that of the loss's mean over the valid pixels of the whole batch, for any number
    of ranks and micro-batches. Only BatchNorm depends on them: each micro-batch is normalised by
    its own statistics.
    """

    def __init__(
        self,
        model: nn.Module,
        config: TrialConfig,
        *,
        compute: Compute,
        ranks: Ranks,
        steps_per_epoch: int,
        epochs: int,
        gradient_clip: float | None = None,
        taken: int = 0,
        penalty: Callable[[nn.Module], Tensor] | None = None,
    ) -> None:
        """Prepare to train ``model``, which is on the device already.

        The schedule starts after ``taken`` steps, for a model that was changed during training.
        ``penalty`` is added to the mean loss.
        """
        self.model = model
        self.micro = MicroBatches()
        self._config, self._compute, self._ranks = config, compute, ranks
        self._clip, self._penalty = gradient_clip, penalty
        self._optimizer = build_optimizer(model, config)
        self._schedule = build_schedule(
            self._optimizer,
            config,
            steps_per_epoch=steps_per_epoch,
            total_steps=steps_per_epoch * epochs,
            taken=taken,
        )
        self._scaler = compute.grad_scaler()
        self._wrapped = model
        self._rehearsed = ranks.world_size == 1 or compute.device.type != "cuda"
        if ranks.world_size > 1:
            self._wrapped = DistributedDataParallel(
                model, broadcast_buffers=False, gradient_as_bucket_view=True
            )

    @property
    def learning_rate(self) -> float:
        """Learning rate of the next step."""
        return float(self._schedule.get_last_lr()[0])

    def __call__(self, batch: Batch, valid: Tensor) -> Tensor:
        """Take one step; return this rank's loss summed over its valid pixels, detached.

        Args:
            batch: This rank's inputs, on the device.
            valid: Valid pixels in the batches of all ranks, a scalar on the device; without any the
                gradient is 0.

        Raises:
            DoesNotFitError: not even one image at a time fits into memory.
        """
        scale = self._ranks.world_size / valid.clamp(min=1)
        if not self._rehearsed:
            self.rehearse(batch, scale)
        loss = (
            self._synced(batch, scale) if self._ranks.world_size > 1 else self._alone(batch, scale)
        )
        if self._clip is not None:
            self._scaler.unscale_(self._optimizer)
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self._clip)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self._schedule.step()
        return loss

    def rehearse(self, batch: Batch, scale: Tensor) -> None:
        """Find the number of micro-batches without a collective, and change nothing else.

        A rank that runs out of memory while gradients are being reduced would leave the others
        waiting in the collective. So GPUs find the number before.
        """
        buffers = [buffer.clone() for buffer in self.model.buffers()]

        def attempt(parts: int) -> None:
            with self._unsynced():
                self._backward(self._forward(batch, parts, scale)[1])

        self._ranks.everywhere(lambda: self.micro.run(attempt, size=len(batch["mask"])))
        self._optimizer.zero_grad(set_to_none=True)
        for buffer, value in zip(self.model.buffers(), buffers, strict=True):
            buffer.copy_(value)
        self._rehearsed = True

    def state_dict(self) -> dict[str, Any]:
        """Return everything needed to resume, in tensors and plain values."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
            "scaler": self._scaler.state_dict(),
            "parts": self.micro.parts,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from what ``state_dict`` returned."""
        self.model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._schedule.load_state_dict(state["schedule"])
        if state["scaler"]:  # empty where the state was saved without float16, as on other GPUs
            self._scaler.load_state_dict(state["scaler"])
        self.micro.parts = state["parts"]

    def rank_state(self) -> dict[str, Any]:
        """Return the state that differs between ranks in the middle of an epoch.

        These are BatchNorm's running statistics, the number of micro-batches, the random
        generators.
        """
        device = self._compute.device
        return {
            "buffers": {name: buffer.detach().cpu() for name, buffer in self.model.named_buffers()},
            "parts": self.micro.parts,
            "random": torch.get_rng_state(),
            "device_random": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
        }

    def load_rank_state(self, state: dict[str, Any]) -> None:
        """Resume from what ``rank_state`` returned."""
        buffers = dict(self.model.named_buffers())
        for name, value in state["buffers"].items():
            buffers[name].copy_(value)
        self.micro.parts = state["parts"]
        torch.set_rng_state(state["random"])
        if state["device_random"] is not None and self._compute.device.type == "cuda":
            torch.cuda.set_rng_state(state["device_random"], self._compute.device)

    def _alone(self, batch: Batch, scale: Tensor) -> Tensor:
        def attempt(parts: int) -> Tensor:
            total, last = self._forward(batch, parts, scale)
            self._backward(last)
            return total

        return self.micro.run(attempt, size=len(batch["mask"]))

    def _synced(self, batch: Batch, scale: Tensor) -> Tensor:
        total, last = self._ranks.everywhere(
            lambda: self.micro.run(
                lambda parts: self._forward(batch, parts, scale), size=len(batch["mask"])
            )
        )
        self._backward(last)
        return total

    def _forward(self, batch: Batch, parts: int, scale: Tensor) -> tuple[Tensor, Tensor]:
        """Return the summed loss, and the last part's scaled loss, before its backward pass."""
        self._optimizer.zero_grad(set_to_none=True)
        *early, late = split_batch(batch, parts)
        total = torch.zeros((), dtype=torch.float64, device=self._compute.device)
        for part in early:
            with self._unsynced():
                loss = self._loss(part)
                self._backward(loss * scale)
            total += loss.detach()
        loss = self._loss(late)
        return total + loss.detach(), loss * scale

    def _loss(self, part: Batch) -> Tensor:
        masks = part["mask"]
        with self._compute.autocast():
            logits = self._wrapped(part["image"])
        loss = segmentation_loss_sum(
            logits.float(),
            masks,
            teacher_logits=part.get("soft"),
            alpha=self._config.distill_alpha,
            temperature=self._config.temperature or 1.0,
        )
        if self._penalty is None:
            return loss
        return loss + (masks != IGNORE_INDEX).sum() * self._penalty(self.model)

    def _backward(self, loss: Tensor) -> None:
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]

    def _unsynced(self) -> AbstractContextManager[object]:
        if isinstance(self._wrapped, DistributedDataParallel):
            return self._wrapped.no_sync()
        return nullcontext()
