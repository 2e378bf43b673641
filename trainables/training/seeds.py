"""Seeds of everything random in a trial, each derived from names and numbers."""

from __future__ import annotations

import hashlib


def trial_seed(sweep_seed: int, number: int) -> int:
    """Return the seed of trial ``number`` of a sweep, in [0, 2**63); equal inputs, equal seed."""
    return derive_seed("trial", sweep_seed, number)


def derive_seed(*parts: str | int) -> int:
    """Return a seed in [0, 2**63) that depends on all of ``parts`` and their order."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def seed_everything(*parts: str | int) -> int:
    """Seed Python, NumPy and torch (all devices) from ``parts``; return the seed.

    Training calls it at every epoch with the trial's seed, the epoch and the rank. So a resumed
    training draws the same numbers as an uninterrupted one, without a saved generator state.
    """
    import random  # noqa: PLC0415 - the driver derives seeds without these imports

    import numpy as np  # noqa: PLC0415
    import torch  # noqa: PLC0415

    seed = derive_seed(*parts)
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - for libraries that use the global generator
    torch.manual_seed(seed)
    return seed
