"""How a device computes: number format, memory format, transfers."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import nn

from trainables.data.transforms import network_inputs

if TYPE_CHECKING:
    from trainables.config import Precision, TrainingConfig
    from trainables.data.transforms import Batch

M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True, kw_only=True, slots=True)
class Compute:
    """One rank's device with its number and memory format."""

    device: torch.device
    """Device of models and batches."""
    dtype: torch.dtype | None = None
    """Type that forward passes are autocast to; None for float32."""
    channels_last: bool = True
    """Store images and weights in NHWC order."""

    @classmethod
    def of(cls, device: torch.device, settings: TrainingConfig) -> Compute:
        """Return how ``device`` computes under ``settings``.

        TF32 and cuDNN's choice of kernels are settings of the process, which this sets too.
        """
        torch.backends.cuda.matmul.allow_tf32 = settings.tf32
        torch.backends.cudnn.allow_tf32 = settings.tf32
        torch.backends.cudnn.benchmark = settings.cudnn_benchmark
        return cls(
            device=device,
            dtype=autocast_dtype(settings.precision, device),
            channels_last=settings.channels_last,
        )

    @property
    def memory_format(self) -> torch.memory_format:
        """Memory format of 4-dimensional tensors."""
        return torch.channels_last if self.channels_last else torch.contiguous_format

    def place(self, model: M) -> M:
        """Return ``model`` moved to the device, in its memory format."""
        return model.to(device=self.device, memory_format=self.memory_format)  # type: ignore[call-overload,no-any-return]

    def inputs(self, batch: Batch) -> Batch:
        """Return the inputs of a network from a decoded ``batch``, on the device.

        Copies are asynchronous. The image is float32, in the memory format: autocast converts it
        where the network allows it, and exported programs take no other type.
        """
        moved = {name: values.to(self.device, non_blocking=True) for name, values in batch.items()}
        inputs = network_inputs(moved)
        inputs["image"] = inputs["image"].to(memory_format=self.memory_format)
        return inputs

    def autocast(self) -> AbstractContextManager[object]:
        """Return the context of a forward pass."""
        if self.dtype is None:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.dtype)

    def grad_scaler(self) -> torch.amp.GradScaler:
        """Return the scaler of the loss, enabled for float16 alone."""
        return torch.amp.GradScaler(self.device.type, enabled=self.dtype is torch.float16)


def autocast_dtype(precision: Precision, device: torch.device) -> torch.dtype | None:
    """Return the type to autocast to on ``device``; None for float32.

    CPUs always train in float32: bfloat16 was 10 to 25 times slower there.
    """
    if device.type != "cuda" or precision == "fp32":
        return None
    if precision == "auto":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if native else torch.float16
    return torch.bfloat16 if precision == "bf16" else torch.float16
