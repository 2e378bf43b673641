"""Rungs: the epochs at which trials are compared."""

from __future__ import annotations


def rung_epochs(*, grace_period: int, reduction_factor: float, max_epochs: int) -> tuple[int, ...]:
    """Return the rungs in increasing order, all below ``max_epochs``.

    The first is the grace period, each next one the reduction factor times as many epochs, rounded.

    Raises:
        ValueError: a period below 1 epoch, a factor not above 1, or no epoch at all.
    """
    if not grace_period >= 1:
        raise ValueError(f"the grace period must be at least 1 epoch, got {grace_period}")
    if not reduction_factor > 1:
        raise ValueError(f"the reduction factor must be above 1, got {reduction_factor}")
    if not max_epochs >= 1:
        raise ValueError(f"a full training must have at least 1 epoch, got {max_epochs}")
    rungs: list[int] = []
    level = float(grace_period)
    while round(level) < max_epochs:
        if not rungs or round(level) > rungs[-1]:
            rungs.append(round(level))
        level *= reduction_factor
    return tuple(rungs)
