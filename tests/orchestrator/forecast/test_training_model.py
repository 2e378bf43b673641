from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.forecast.training_model import LinearModel


def test_without_values_the_beliefs_stay() -> None:
    line = LinearModel([1.0, 2.0], [0.5, 0.5], noise=0.1)
    assert line.fitted([], []) is line


@settings(max_examples=25, deadline=None)
@given(st.floats(-3, 3), st.floats(-3, 3), st.integers(0, 1000))
def test_many_values_outweigh_the_beliefs(first: float, second: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = np.column_stack([np.ones(400), rng.uniform(-1, 1, 400)])
    values = rows @ [first, second] + 0.1 * rng.standard_normal(400)
    after = LinearModel([0.0, 0.0], [1.0, 1.0], noise=0.1).fitted(rows, values)
    assert np.allclose(after.mean, [first, second], atol=0.06)
    assert np.isclose(after.noise, 0.1, atol=0.03)
    assert (np.linalg.eigvalsh(after.covariance) < 1e-3).all()
