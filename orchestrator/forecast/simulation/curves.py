"""Learning curves of synthetic trainings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def decay(
    *, start: float, final: float, epochs: int, half_life: float, power: float = 1.0
) -> NDArray[np.float64]:
    """Return a power law over epochs 1 to ``epochs`` that falls from ``start`` towards ``final``.

    At the last epoch it is exactly ``final``. ``half_life`` is the epoch by which the fall would be
    half done without an end; less is faster.
    """
    reached = 1.0 - (1.0 + np.arange(epochs + 1) / half_life) ** -power
    curve: NDArray[np.float64] = start + (final - start) * reached[1:] / reached[-1]
    return curve


def noise(seed: int, *, epochs: int, per_trial: float, per_epoch: float) -> NDArray[np.float64]:
    """Return what luck adds to a curve: one normal number a trial, one more for each epoch."""
    rng = np.random.default_rng(seed)
    shared: float = per_trial * rng.standard_normal()
    return shared + per_epoch * rng.standard_normal(epochs)
