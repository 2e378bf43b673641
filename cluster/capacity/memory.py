"""How much device memory a training needs, learnt from trainings that ran."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

UNKNOWN_FACTOR, UNKNOWN_UPPER = 1.2, 2.0
"""Measured over worked out, expected and at most, where nothing was measured yet: on a CPU eight
models between 130 and 1080 MB gave 1.04 to 1.46."""
COVERAGE = 0.9
FEW_SLACK = 1.25
"""What the largest factor seen is stretched by where too few were seen for the coverage."""
CONTEXT_MB = 700.0
"""Memory that each process takes of a GPU for its CUDA context, MB of 1e6 bytes, about."""
MOST_SHARES = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class MemoryModel:
    """From the memory that is worked out for a training to the memory that it takes."""

    factor: float = UNKNOWN_FACTOR
    """Expected memory over the worked out one, > 0."""
    upper_factor: float = UNKNOWN_UPPER
    """As above, at most: nine of ten trainings take no more; >= ``factor``."""
    profiles: int = 0
    """Trainings it was learnt from, >= 0."""

    def expected_mb(self, worked_out_mb: float) -> float:
        """Return the memory that is expected, MB."""
        return worked_out_mb * self.factor

    def upper_mb(self, worked_out_mb: float) -> float:
        """Return the memory that nine of ten such trainings stay below, MB."""
        return worked_out_mb * self.upper_factor


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneSize:
    """One size of lanes on the GPUs of a cluster."""

    share: float
    """GPUs of each rank: 1, or one of so many equal parts of a GPU."""
    memory_mb: float
    """Memory that a trial on it may take, MB of 1e6 bytes, > 0."""
    gpus: int
    """GPUs that are given to lanes of the size, >= 1."""


def learn(profiles: Iterable[tuple[float, float]]) -> MemoryModel:
    """Return the model of pairs of worked out and measured memory, MB.

    The error bar is that of split conformal prediction on the ratio: where trainings to come are
    like those measured, nine of ten stay below. Pairs that are not positive are left out.

    Source: Vovk, Gammerman, Shafer 2005, "Algorithmic Learning in a Random World", section 4.2.
    """
    ratios = sorted(seen / told for told, seen in profiles if told > 0 and seen > 0)
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
    fits. Where others need more and there are several GPUs, some of these are left whole for them:
    as many as their share of the work asks for, one at least. On a single GPU the size is that on
    which all fit.

    Args:
        needs_mb: Memory that sample trainings take at most, MB, >= 1 of them.
        gpus: GPUs of the cluster, >= 1.
        gpu_memory_mb: Memory of the smallest of them, MB, > 0.
        fitting: Share of the trainings that the small size is for, (0, 1].
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
