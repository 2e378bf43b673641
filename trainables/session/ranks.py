"""Collectives of the ranks of one trial or lane, besides those for gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn

from trainables.session.blame import Blame, BlamedError, blame
from trainables.session.memory import DoesNotFitError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
_WEIGHT: tuple[Blame, ...] = ("storage", "infrastructure", "own")
"""Where ranks fail with different blames, the first of these is raised."""


class PeerFailedError(BlamedError):
    """Another rank failed."""


class Ranks:
    """Small collectives on the CPU, which do not wait for GPU streams; no-ops for one rank.

    Every method but ``close`` is called by all ranks in the same order.
    """

    def __init__(self, rank: int, world_size: int) -> None:
        """Create a Gloo group; with several ranks the default process group must exist.

        Raises:
            RuntimeError: there are several ranks and no default process group.
        """
        self.rank = rank
        self.world_size = world_size
        self._group: dist.ProcessGroup | None = None
        if world_size > 1:
            if not dist.is_initialized():
                raise RuntimeError(
                    f"a trial of {world_size} ranks needs torch.distributed's process group; "
                    "initialise it before the trial starts"
                )
            self._group = cast("dist.ProcessGroup", dist.new_group(backend="gloo"))

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum over ranks of a CPU tensor of equal shape on all; changes ``values``."""
        if self._group is not None:
            dist.all_reduce(values, group=self._group)
        return values

    def sum_on_device(self, values: Tensor) -> Tensor:
        """Return the sum over ranks of a tensor on the trial's device; changes ``values``.

        It uses the default process group, so a GPU stream waits for it and the host does not.
        """
        if self._group is not None:
            dist.all_reduce(values)
        return values

    def total(self, value: float) -> float:
        """Return the sum over ranks of one number."""
        return float(self.sum(torch.tensor([value], dtype=torch.float64))[0])

    def agree(self, error: Exception | None = None) -> None:
        """Raise on all ranks where one has an ``error``.

        Raises:
            Exception: ``error`` itself, on the rank that has one.
            DoesNotFitError: on the other ranks, where the failed ranks ran out of memory.
            PeerFailedError: on the other ranks, where one failed otherwise.
        """
        if self._group is None:
            if error is not None:
                raise error
            return
        if self.total(error is not None):
            self._raise_together(error)

    def everywhere(self, work: Callable[[], T]) -> T:
        """Return this rank's result of ``work``, which every rank runs without collectives.

        Raises:
            Exception: as ``agree``, where it failed on any rank.
        """
        error: Exception | None = None
        try:
            result = work()
        except Exception as failure:  # noqa: BLE001 - every failure is raised on all ranks
            error = failure
        self.agree(error)
        return result

    def on_first(self, work: Callable[[], T]) -> T:
        """Return rank 0's result of ``work`` on every rank; the other ranks do not run it.

        Raises:
            Exception: as ``agree``, where it failed.
        """
        if self._group is None:
            return work()
        values = [self.everywhere(lambda: work() if self.rank == 0 else None)]
        dist.broadcast_object_list(values, src=0, group=self._group)
        return cast("T", values[0])

    def broadcast(self, values: Tensor) -> Tensor:
        """Return rank 0's CPU tensor of equal shape and type on all ranks; changes ``values``."""
        if self._group is not None:
            dist.broadcast(values, src=0, group=self._group)
        return values

    def gather(self, value: T) -> list[T]:
        """Return every rank's ``value``, which is pickled, in order of ranks."""
        if self._group is None:
            return [value]
        values: list[T] = [value] * self.world_size
        dist.all_gather_object(values, value, group=self._group)
        return values

    def average_buffers(self, model: nn.Module) -> None:
        """Replace BatchNorm's running statistics by their mean over all ranks."""
        buffers = [buffer for buffer in model.buffers() if buffer.is_floating_point()]
        if self._group is None or not buffers:
            return
        flat = torch.cat([buffer.detach().flatten().double().cpu() for buffer in buffers])
        sizes = [buffer.numel() for buffer in buffers]
        parts = torch.split(self.sum(flat) / self.world_size, sizes)
        with torch.no_grad():
            for buffer, part in zip(buffers, parts, strict=True):
                buffer.copy_(part.reshape(buffer.shape))

    def close(self) -> None:
        """Destroy the Gloo group."""
        if self._group is not None:
            dist.destroy_process_group(self._group)
            self._group = None

    def _raise_together(self, error: Exception | None) -> None:
        mine = None if error is None else (_blame(error), _describe(error))
        gathered: list[tuple[Blame, str] | None] = [None] * self.world_size
        dist.all_gather_object(gathered, mine, group=self._group)
        if error is not None:
            raise error
        failures = [(rank, failure) for rank, failure in enumerate(gathered) if failure is not None]
        text = "; ".join(f"rank {rank}: {failure[1]}" for rank, failure in failures)
        blames = {failure[0] for _, failure in failures}
        if blames == {"memory"}:
            raise DoesNotFitError(text)
        worst: Blame = next((weighted for weighted in _WEIGHT if weighted in blames), "own")
        raise PeerFailedError(text, worst)


def _blame(error: Exception) -> Blame:
    """Return ``memory`` only where one image does not fit; other memory errors are bugs."""
    kind = blame(error)
    return "own" if kind == "memory" and not isinstance(error, DoesNotFitError) else kind


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
