from __future__ import annotations

import random
import subprocess
import sys

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainables.training.seeds import derive_seed, seed_everything, trial_seed


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_trial_seeds_are_reproducible_and_in_range(sweep: int, number: int) -> None:
    assert trial_seed(sweep, number) == trial_seed(sweep, number)
    assert 0 <= trial_seed(sweep, number) < 2**63


def test_seeds_differ_between_trials_and_sweeps() -> None:
    seeds = {trial_seed(sweep, number) for sweep in range(20) for number in range(200)}
    assert len(seeds) == 20 * 200


def test_a_seed_is_the_same_in_every_process_and_version() -> None:
    assert trial_seed(0, 0) == 1111602989014512538
    assert derive_seed("a", 1) != derive_seed("a1")


def test_all_generators_are_seeded() -> None:
    def draw() -> tuple[float, float, float]:
        return random.random(), float(np.random.random()), float(torch.rand(()))  # noqa: NPY002

    seed_everything("epoch", 1, 2)
    first = draw()
    seed_everything("epoch", 1, 2)
    assert draw() == first
    seed_everything("epoch", 1, 3)
    assert draw() != first


def test_deriving_a_seed_needs_no_torch() -> None:
    code = "import sys, trainables.training.seeds; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
