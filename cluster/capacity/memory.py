"""Device memory of trainings, predicted from trainings that ran, and sizes of lanes for it."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

UNKNOWN_FACTOR, UNKNOWN_UPPER = 1.2, 2.0
"""Ratio of measured to estimated memory, expected and upper bound, before any measurement. Eight
models of 130 to 1080 MB on a CPU had ratios of 1.04 to 1.46."""
COVERAGE = 0.9
"""Share of trainings that stay below the upper bound."""
FEW_SLACK = 1.25
"""Factor on the largest ratio where there are too few measurements for the coverage."""
CONTEXT_MB = 700.0
"""Device memory of a process's CUDA context, MB of 1e6 bytes, approximately."""
MOST_SHARES = 8
"""Lanes that share one GPU at most."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MemoryModel:
    """Predicts the memory of a training from its estimate."""

    factor: float = UNKNOWN_FACTOR
    """Expected memory over the estimate, > 0."""
    upper_factor: float = UNKNOWN_UPPER
    """Upper bound of nine in ten trainings over the estimate, >= ``factor``."""
    profiles: int = 0
    """Trainings that it was fitted to, >= 0."""

    def expected_mb(self, estimated_mb: float) -> float:
        """Return the expected memory, MB."""
        return estimated_mb * self.factor

    def upper_mb(self, estimated_mb: float) -> float:
        """Return the upper bound of nine in ten trainings, MB."""
        return estimated_mb * self.upper_factor


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneSize:
    """One size of lanes on the GPUs of a cluster."""

    share: float
    """GPUs of each rank: 1, or 1 over the number of lanes that share a GPU."""
    memory_mb: float
    """Memory that a trial on it may take, MB of 1e6 bytes, > 0."""
    gpus: int
    """GPUs for lanes of this size, >= 1."""


def learn(profiles: Iterable[tuple[float, float]]) -> MemoryModel:
    """Return the model of pairs of estimated and measured memory, MB.

    The upper bound is that of split conformal prediction on the ratio: it holds for nine in ten
    trainings that are exchangeable with the measured ones. Pairs that are not positive are ignored.

    Source: Vovk, Gammerman, Shafer 2005, "Algorithmic Learning in a Random World", section 4.2.
    """
    ratios = sorted(
        measured / estimated for estimated, measured in profiles if estimated > 0 and measured > 0
    )
    if not ratios:
        return MemoryModel()
    place = math.ceil((len(ratios) + 1) * COVERAGE)
    upper = ratios[place - 1] if place <= len(ratios) else ratios[-1] * FEW_SLACK
    return MemoryModel(factor=statistics.median(ratios), upper_factor=upper, profiles=len(ratios))


def size_lanes(
    needs_mb: Sequence[float], *, gpus: int, gpu_memory_mb: float, fitting: float = 0.8
) -> tuple[LaneSize, ...]:
    """Return the sizes of lanes for trainings of a search space, the smallest first.

    The small size is the smallest part of a GPU on which the share ``fitting`` of the trainings
    fits. Where others need more and there are several GPUs, some GPUs get larger lanes: in
    proportion to the work of those trainings, at least one. On a single GPU all trainings fit.

    Args:
        needs_mb: Upper bounds of the memory of sample trainings, MB, at least one.
        gpus: GPUs of the cluster, >= 1.
        gpu_memory_mb: Memory of the smallest of them, MB, > 0.
        fitting: Share of the trainings that fit on the small size, (0, 1].
    """
    ordered = sorted(needs_mb)
    sizes = {parts: gpu_memory_mb / parts - CONTEXT_MB for parts in range(1, MOST_SHARES + 1)}
    sizes = {parts: mb for parts, mb in sizes.items() if mb > 0} or {1: gpu_memory_mb}

    def parts_for(need: float) -> int:
        return max((parts for parts, mb in sizes.items() if mb >= need), default=1)

    all_fit = parts_for(ordered[-1])
    small = parts_for(ordered[max(0, math.ceil(fitting * len(ordered)) - 1)])
    if gpus == 1 or small == all_fit:
        return (LaneSize(share=1 / all_fit, memory_mb=sizes[all_fit], gpus=gpus),)
    larger = sum(need > sizes[small] for need in ordered) / len(ordered)
    work = larger / all_fit / (larger / all_fit + (1 - larger) / small)
    kept = min(gpus - 1, max(1, round(gpus * work)))
    return (
        LaneSize(share=1 / small, memory_mb=sizes[small], gpus=gpus - kept),
        LaneSize(share=1 / all_fit, memory_mb=sizes[all_fit], gpus=kept),
    )
